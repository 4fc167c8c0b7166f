"""A table of settings says of each what a person would ask."""

from __future__ import annotations

from lepton_edge.settings.reference import markdown
from lepton_edge.settings.rooms import AGENT, ROOMS


def test_a_row_has_its_flag_variable_name_default_and_meaning() -> None:
    rows = markdown(AGENT, {"cache_limit": "`--cache`"}).splitlines()
    found = next(row for row in rows if "`cache_limit`" in row)
    assert found.startswith("| `--cache` | `LEPTON_EDGE_CACHE_LIMIT` | `cache_limit` | 8 GiB | bytes on disk")
    assert "| `info` | the least that is logged: `debug`, `info`, `warning`, `error` |" in "\n".join(rows)


def test_every_setting_says_what_it_means() -> None:
    for room in ROOMS:
        assert len(markdown(room, {}).splitlines()) == 2 + len(room.settings())
        assert all(len(told.told) > 9 for told in room.settings().values())
