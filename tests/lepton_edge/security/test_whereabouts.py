"""Where a coordinator listens is found beside its administrator's key, and beside no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from lepton_edge.security import whereabouts
from lepton_edge.security.keyring import Keyring


@pytest.mark.parametrize(
    ("host", "asked_at"),
    [
        ("0.0.0.0", "127.0.0.1:8018"),
        ("::", "[::1]:8018"),
        ("10.0.0.1", "10.0.0.1:8018"),
        ("127.0.0.1", "127.0.0.1:8018"),
    ],
)
def test_it_is_kept_as_it_is_asked_at_from_here(tmp_path: Path, host: str, asked_at: str) -> None:
    whereabouts.keep(tmp_path, host, 8018)
    assert whereabouts.beside(tmp_path / "security" / "admin.pem") == asked_at
    whereabouts.forget(tmp_path)
    whereabouts.forget(tmp_path)
    assert whereabouts.beside(tmp_path / "security" / "admin.pem") == ""


def test_other_keys_say_nothing(tmp_path: Path) -> None:
    whereabouts.keep(tmp_path, "127.0.0.1", 8018)
    assert whereabouts.beside(tmp_path / "key.pem") == ""
    assert whereabouts.beside(tmp_path / "elsewhere" / "key.pem") == ""
    assert whereabouts.beside(Path("key.pem")) == ""


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"x": 1}', b"\xff"])
def test_half_of_it_is_nothing(tmp_path: Path, content: bytes) -> None:
    Keyring(tmp_path).write(whereabouts.FILE, content)
    assert whereabouts.beside(tmp_path / "security" / "admin.pem") == ""
