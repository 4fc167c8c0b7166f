"""The book of a device that is alone."""

from __future__ import annotations

from partitioner.book import BookOptions, make_book
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile
from partitioner.units import Bytes


def test_a_device_alone_is_told_as_it_runs_in_one_piece_where_that_fits(
    compiled: CompiledModel, board: DeviceProfile
) -> None:
    weights = sum(ref.length for ref in compiled.weights)
    free = make_book(compiled, board, None, None).pages[0].prediction
    roomy = make_book(compiled, board, None, None, BookOptions(board_memory=Bytes(weights * 3)))
    tight = make_book(compiled, board, None, None, BookOptions(board_memory=Bytes(round(weights * 1.9))))
    assert roomy.pages[0].prediction == free
    assert tight.pages[0].prediction.latency > free.latency
