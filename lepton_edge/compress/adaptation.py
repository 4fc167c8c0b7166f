"""A model made ready for a platform: the sign of its activations, its operator set, its precision, its file format.

Law: it changes how a model is written down, and never by more than it says; every change is checked by running both
here, and dropped with the reason where the answers part. What only the platform itself could show is listed as not
verified. Accuracy is not won or lost here: that is what `compress` is for.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from itertools import islice
from math import prod
from pathlib import Path

import onnx
from onnx import ModelProto, TensorProto, helper

from lepton_edge.compress import arrays, disk, store
from lepton_edge.compress.bundle import Bundle, whole_folder, write_manifest
from lepton_edge.compress.changes import Feeds, Wanted, Work
from lepton_edge.compress.description import described
from lepton_edge.compress.errors import CompressionRefused
from lepton_edge.compress.platforms import target_of
from lepton_edge.compress.rows import file_digest
from lepton_edge.compress.samples import open_samples
from lepton_edge.compress.technique import Progress, silent
from partitioner.errors import InvalidModel, ModelError
from partitioner.onnx_io import blob, generate, infer, load, runtime, scope
from partitioner.units import Sha256

CHECKED = 16  # samples that both models answer
MADE_UP = 4  # of them where none are given


def adapt(
    model: str | Path,
    platform: str,
    out: str | Path,
    wanted: Wanted | None = None,
    progress: Progress = silent,
) -> Bundle:
    """Write the bundle of `model` for `platform` into the folder `out`, and return what is known of it.

    The model (.onnx or a store) may be quantized or not; it is never touched. An earlier bundle at `out` is replaced.

    Raises:
        CompressionRefused: there is no such platform, precision or operator set; or the samples do not fit.
        InvalidModel, UnsupportedOperator: the model is none, or the engine does not run it.
        FolderTaken: something that is no bundle is at `out`, or the model itself.
        StorageFull: no space is left; nothing is there then.
    """
    wanted, source, folder = wanted or Wanted(), Path(model), Path(out)
    target = target_of(platform)
    original = read_model(source)
    work = Work(original, _feeds(original, source, wanted), target, wanted, progress)
    with whole_folder(folder, source) as made:
        work.change()
        work.write(made)
        parent = Sha256(file_digest(source))
        bundle = Bundle(made, platform, target, parent, *work.facts())
        write_manifest(bundle)
    return replace(bundle, folder=folder)


def read_model(path: Path) -> ModelProto:
    """Return the model at `path` (.onnx or a store), checked, in plain form, all initializers inside."""
    if not path.is_file():
        raise InvalidModel(f"there is no model {path}", "check the path")
    with tempfile.TemporaryDirectory(prefix="lepton-adapt-") as scratch, disk.told(Path(scratch)):
        file = path
        if store.is_store(path):
            file = Path(scratch) / "expanded.onnx"
            file.write_bytes(store.read(path).SerializeToString())
        loaded = load.load(file, Path(scratch), path.name)
        loaded.model.ir_version = _format(
            file, loaded.model.ir_version
        )  # so that it is lowered by who tells of it
        for tensor in scope.all_initializers(loaded.model.graph):
            if blob.is_external(tensor):
                blob.take_in(tensor, Path(scratch))
    return loaded.model


def _format(file: Path, plain: int) -> int:
    """Return the file format (IR) that a checked model came in; `plain` where the engine here reads none so new."""
    came = onnx.load(file, load_external_data=False)
    try:
        runtime.open_session(_empty(came.ir_version), runtime.options(None, runtime.OFF))
    except ModelError:
        return plain
    return max(int(came.ir_version), plain)


def _empty(version: int) -> ModelProto:
    end = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    made = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "empty", [end], [made])
    model: ModelProto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=version
    )
    return model


def _feeds(model: ModelProto, source: Path, wanted: Wanted) -> Feeds:
    if wanted.data is not None:
        samples = open_samples(wanted.data, model, described(wanted.description, source))
        return [sample.feeds for sample in islice(samples, CHECKED)]
    kinds = infer.declared(model.graph, infer.bind(model.graph, wanted.shapes))
    for name, kind in kinds.items():
        if (size := prod(kind.bucket) * kind.numpy_dtype.itemsize) > arrays.MAX_ARRAY:
            told = f"an input {name!r} of shape {list(kind.bucket)} has {size / 1e9:.1f} GB"
            raise CompressionRefused(told, "choose a smaller --shape, or export the model with one")
    return [generate.feeds(model.graph, kinds, seed) for seed in range(MADE_UP)]
