"""What a plan shows of its inputs is said in figures, and never that it is safe."""

from __future__ import annotations

from partitioner.report.exposure import PLAINLY, exposure_lines


def row(page, ssim=None, sends_input=False):
    return {"page": page, "tensors": ["t"], "ssim": ssim, "blind": 0.21, "sends_input": sends_input}


def test_each_cut_has_its_figure_beside_what_no_tensor_gives():
    rows = [row("cut-1", 0.834), row("cloud-raw", sends_input=True), row("ids")]
    told = "\n".join(exposure_lines({"privacy": {"side": 64, "samples": 12, "cuts": rows, "unmeasured": ""}}))
    assert "cut-1 (t): 0.83; without any tensor 0.21" in told
    assert "cloud-raw (t): the input itself leaves" in told
    assert "ids (t): not measured" in told
    assert told.endswith(PLAINLY)


def test_what_was_not_measured_is_said_with_the_same_warning():
    told = exposure_lines({"privacy": {"unmeasured": "3 samples were pushed", "cuts": []}})
    assert "3 samples were pushed" in told[0]
    assert told[-1] == PLAINLY


def test_who_did_not_ask_is_told_nothing():
    assert exposure_lines({}) == []
    assert exposure_lines({"privacy": None}) == []
