"""What the page says of what a cut shows: figures, never without saying that they prove nothing."""

from __future__ import annotations

from typing import Any

import pytest

from partitioner.report.exposure import PLAINLY
from partitioner.report.html import page
from partitioner.report.html.exposure import exposure

Document = dict[str, Any]
EVIL = "<img src=x onerror=alert(1)>"


def row(page: str, ssim: float | None = None, sends_input: bool = False) -> Document:
    return {
        "page": page,
        "tensors": ["t", EVIL],
        "ssim": ssim,
        "blind": ssim and 0.21,
        "sends_input": sends_input,
    }


def told(*rows: Document, unmeasured: str = "") -> Document:
    return {"privacy": {"side": 64, "samples": 12, "cuts": list(rows), "unmeasured": unmeasured}}


def test_each_cut_has_its_figure_and_names_stay_names() -> None:
    drawn = str(exposure(told(row("cut-1", 0.834), row("cloud-raw", sends_input=True), row("ids"))))
    cells = drawn.replace('<td class="right">', "<td>")
    assert "<td>0.83</td><td>0.21</td>" in cells
    assert "<td>the input itself leaves</td><td></td>" in cells
    assert "<td>not measured, it holds no numbers</td>" in cells
    assert "64 pixels, from 12 samples" in drawn
    assert EVIL not in drawn


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (told(row("cut-1", 0.834)), "0.83"),
        (told(unmeasured="3 samples were pushed"), "Not measured: 3 samples were pushed."),
        (told(), "sends anything from the board"),
    ],
)
def test_whatever_was_found_is_called_no_proof(found: Document, words: str) -> None:
    drawn = str(exposure(found))
    assert words in drawn
    assert "no privacy proof" in drawn
    assert PLAINLY in drawn


def test_it_stands_on_the_page_of_who_asked_alone(full_document: Document) -> None:
    assert 'id="privacy"' not in page(full_document)
    drawn = page({**full_document, **told(row("cut-1", 0.834))})
    assert drawn.index('id="crossing"') < drawn.index('id="privacy"') < drawn.index('id="why-not"')
