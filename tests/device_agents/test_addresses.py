"""What peers are told to dial."""

from __future__ import annotations

import pytest

from device_agents.addresses import check_advertised, reachable
from lepton_edge.core.errors import InvalidInput


def test_an_address_of_one_interface_is_told_as_it_is() -> None:
    assert reachable("127.0.0.1:8011", "10.0.0.1:8010") == "127.0.0.1:8011"


def test_any_interface_becomes_the_one_that_faces_the_coordinator() -> None:
    assert reachable("0.0.0.0:8011", "127.0.0.1:8010") == "127.0.0.1:8011"


def test_no_more_are_advertised_than_a_coordinator_takes() -> None:
    check_advertised(("10.0.0.1:8011",) * 8)
    with pytest.raises(InvalidInput, match="9 addresses"):
        check_advertised(("10.0.0.1:8011",) * 9)
