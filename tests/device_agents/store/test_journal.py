"""A journal believes whole lines only."""

from __future__ import annotations

from device_agents.store.journal import Journal

A, B = ("a" * 64, 0, 10), ("b" * 64, 4096, 20)


def test_it_reads_what_it_wrote(tmp_path):
    Journal(tmp_path / "journal").add([A], {B: 7})
    again = Journal(tmp_path / "journal")
    assert again.done == {A}
    assert again.parts == {B: 7}


def test_a_torn_line_is_ignored_and_does_not_spoil_the_next(tmp_path):
    journal = Journal(tmp_path / "journal")
    journal.add([A], {})
    with (tmp_path / "journal").open("a") as stream:
        stream.write(f"done {'b' * 64} 4096 2")  # torn: it would be 20
    torn = Journal(tmp_path / "journal")
    assert torn.done == {A}
    torn.add([B], {})
    assert Journal(tmp_path / "journal").done == {A, B}


def test_a_tensor_can_be_taken_back(tmp_path):
    journal = Journal(tmp_path / "journal")
    journal.add([A, B], {})
    journal.forget(A)
    assert Journal(tmp_path / "journal").done == {B}
