"""What a person allows by name, and what is no such thing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lepton_edge.core.custom_ops import MOST, NONE, custom_ops
from lepton_edge.core.errors import InvalidInput


@pytest.fixture
def library(tmp_path: Path) -> Path:
    path = tmp_path / "ops.so"
    path.write_bytes(b"\x7fELF")
    return path


def test_nothing_is_allowed_unless_somebody_says_so() -> None:
    assert custom_ops(()) == NONE
    assert NONE.domains == frozenset()


def test_a_library_may_have_several_domains(library: Path) -> None:
    found = custom_ops((f"mine={library}", f"ai.onnx.contrib={library}"))
    assert found.domains == {"mine", "ai.onnx.contrib"}
    assert found.libraries == (library,)


@pytest.mark.parametrize(
    "text", ["mine", "mine=", "={}", "a b={}", "com.microsoft={}", "ai.onnx={}", "m={}/none"]
)
def test_what_names_no_domain_and_library_is_refused(text: str, library: Path) -> None:
    with pytest.raises(InvalidInput) as error:
        custom_ops([text.format(library)])
    assert error.value.hint


def test_a_folder_is_none(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no file"):
        custom_ops([f"mine={tmp_path}"])


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_what_others_can_change_is_not_run(library: Path) -> None:
    library.chmod(0o666)
    with pytest.raises(InvalidInput, match="changed by others"):
        custom_ops([f"mine={library}"])
    library.chmod(0o644)
    custom_ops([f"mine={library}"])


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_what_others_can_replace_in_its_folder_is_not_run(tmp_path: Path) -> None:
    folder = tmp_path / "ops"
    folder.mkdir()
    library = folder / "ops.so"
    library.write_bytes(b"code")
    library.chmod(0o644)
    folder.chmod(0o777)
    with pytest.raises(InvalidInput, match="changed by others"):
        custom_ops([f"mine={library}"])
    folder.chmod(0o1777)  # as /tmp: who may write there still moves nobody's file
    custom_ops([f"mine={library}"])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")
def test_another_users_library_is_not_run(library: Path) -> None:
    os.chown(library, 65534, 65534)
    if os.geteuid() == 0:
        with pytest.raises(InvalidInput, match="changed by others"):
            custom_ops([f"mine={library}"])


def test_there_are_few(library: Path) -> None:
    with pytest.raises(InvalidInput, match="at most"):
        custom_ops([f"d{number}={library}" for number in range(MOST + 1)])
