"""One table of a TOML file, or one line on what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lepton_edge.core.errors import UsageError
from lepton_edge.settings.file import read_table


def test_others_tables_are_others(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[agent]\nport = 1\n[coordinator]\nport = 2\n")
    assert read_table(file, "agent") == {"port": 1}
    assert read_table(None, "agent") == {}


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("[agnet]\nport = 1", "there is no table 'agnet'", "did you mean [agent]?"),
        ("[zzz]\n", "there is no table 'zzz'", "known are agent, coordinator"),
        ("agent = 1", "'agent' is not a table", "write [agent]"),
        ("[agent", "cannot read the settings", "check the file"),
    ],
)
def test_what_is_wrong_with_it_is_told(tmp_path: Path, text: str, said: str, hint: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as refused:
        read_table(file, "agent")
    assert said in refused.value.message
    assert hint in refused.value.hint


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        read_table(tmp_path / "gone.toml", "agent")
