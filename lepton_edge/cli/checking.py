"""What `lepton-edge model check` does: a model whole and split, here, compared.

Law: a thin face over `partitioner.onnx_io.check_model`; it is imported once the extra is known to be there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lepton_edge.cli.exit_codes import ANSWERS_DIFFER as ANSWERS_DIFFER
from lepton_edge.cli.output import ProgressLine
from partitioner.nouns_json import to_json


def check(file: Path, cuts: int | str, inputs: Path | None) -> dict[str, Any]:
    """Return the report on `cuts` cuts of the model in `file`; its `agrees` says whether all agree."""
    from partitioner.onnx_io import check_model  # an extra's packages: the caller has required them

    with ProgressLine() as progress:
        report = check_model(file, cuts, inputs=inputs, progress=progress)
    return {"schema": "lepton-edge/check/1", **to_json(report)}
