"""What blocks make one after another, for the golden sample of a device that runs a bridged variant.

Law: runs the very blocks that the device will run, from what the first of them is given: a rounding at a cut is
then in what is expected, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from partitioner.onnx_io import CutBlock, runtime
from partitioner.profile.samples import Array, Tensors
from partitioner.units import TensorName


def chained(directory: Path, blocks: Iterable[CutBlock], given: Mapping[TensorName, Array]) -> Tensors:
    """Return `given` and all that `blocks` make of it, in their order; pseudo-nodes' outputs are given.

    `directory` holds the weights of the variant that the blocks are of.
    """
    made: Tensors = dict(given)
    for one in blocks:
        if not one.file:
            continue
        session = runtime.open_session(one.file, runtime.options(directory, runtime.FULL))
        outputs = [spec.name for spec in one.block.outputs]
        feeds = {str(spec.name): made[spec.name] for spec in one.block.inputs}
        answers = runtime.run(session, feeds, outputs)
        made |= {TensorName(name): answers[name] for name in outputs}
    return made
