"""Whose variant a model is, written into a manifest that somebody else wrote."""

from __future__ import annotations

import pytest

from lepton_edge.core.manifest_text import as_variant
from partitioner.errors import InvalidManifest
from partitioner.manifest import read_manifest

PICTURE = '[[input]]\nname = "x"\nkind = "array"\n'


@pytest.mark.parametrize(
    "text",
    [
        "",
        PICTURE,
        '[model]\nname = "small"\n' + PICTURE,
        '# mine\n[ model ] # of a cup\nvariant_of = "other"\nname = "small"\n\n' + PICTURE,
        PICTURE + '[model]\nvariant_of="other"',
    ],
)
def test_it_is_said_once_and_the_rest_stays(text: str) -> None:
    made = as_variant(text, "net")
    before, after = read_manifest(text), read_manifest(made)
    assert after.variant_of == "net"
    assert (after.name, after.inputs) == (before.name, before.inputs)
    assert made.count("variant_of") == 1
    assert as_variant(made, "net") == made


def test_any_name_is_written_as_a_string() -> None:
    assert read_manifest(as_variant("", 'a "b" \\ é')).variant_of == 'a "b" \\ é'


@pytest.mark.parametrize("text", ['model = {name = "x"}', 'model.name = "x"', "no toml"])
def test_a_form_that_no_line_can_be_added_to_is_refused(text: str) -> None:
    with pytest.raises(InvalidManifest, match="variant_of cannot be added"):
        as_variant(text, "net")
