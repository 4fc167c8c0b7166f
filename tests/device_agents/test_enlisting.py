"""What is refused of a join's words, and not shown."""

from __future__ import annotations

import pytest

from device_agents import enlisting
from lepton_edge.core.errors import UsageError

TOKEN = "LE1.authority.id.secret"


def test_a_token_in_the_place_of_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(UsageError) as refused:
        enlisting.refuse_misplaced(TOKEN)
    assert "secret" not in f"{refused.value} {refused.value.hint}"
