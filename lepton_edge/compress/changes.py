"""The changes that a platform asks for, each kept only where the answers stay.

Law: a change is a function from model to model; it is checked by running what came of it beside the original, on the
same inputs, and dropped with the reason where that fails. What was seen is a fact with how it was seen. An exact
change is checked node by node: this processor's integer kernels round otherwise for the other sign, and a deep net
makes a cosine of 0.99 of that, which says nothing of the change and nothing of the platform.
"""

from __future__ import annotations

import platform as machine
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto

from lepton_edge.compress import opsets, signs, store, techniques
from lepton_edge.compress.bundle import Fact
from lepton_edge.compress.errors import CompressionRefused, CorruptStore
from lepton_edge.compress.evaluate import Runner
from lepton_edge.compress.manifest import versions
from lepton_edge.compress.measure import LocalMeasure, Measure
from lepton_edge.compress.platforms import this_machine
from lepton_edge.compress.recipe import Target
from lepton_edge.compress.samples import Given
from lepton_edge.compress.technique import Materials, Progress, Sample
from lepton_edge.core.results import Array
from partitioner.compiled import READ_IR, READ_OPSET
from partitioner.errors import LeptonError
from partitioner.manifest import Manifest
from partitioner.onnx_io import load, quantized, runtime
from partitioner.units import Seconds

KEEP, HALF = "keep", "half"
ORT_PLATFORMS = frozenset(("android",))
"""Whose engine is often built without a reader for ONNX files."""
MIN_OPSET = 7  # the first that onnxruntime reads
LEAST_COSINE: Mapping[str, float] = {HALF: 0.999}
LEAST = 0.9999
"""Of changes that are exact: both models run without the engine's optimisations, so that only the change differs."""
TIMED = Seconds(1.0)
PARTED = "other outputs or shapes, or NaN and infinite values where the original answers others"

Feeds = Sequence[Mapping[str, Array]]


@dataclass(frozen=True)
class Wanted:
    """What a bundle is asked for, beyond its platform's own needs.

    Attributes:
        opset: of the standard operators; 0: the model's own, or the newest that the platform reads.
        precision: "half", "keep", or "" for what the platform is fast with.
        ort: whether to add the engine's own format; None: where it serves.
        data: samples to check with (a folder, an .npz, an iterable); None: made-up ones.
        shapes: sizes for inputs with dynamic dimensions, for made-up samples.
        measure: times the model on devices; None: here, where this machine is of that platform.
        description: the model's TOML manifest, which says how pictures become inputs; None: the .toml beside the model.
    """

    opset: int = 0
    precision: str = ""
    ort: bool | None = None
    data: str | Path | Given | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    measure: Measure | None = None
    description: str | Path | Manifest | None = None


class Work:
    """One adaptation under way: the model as it is by now, and what is known of it."""

    def __init__(
        self, original: ModelProto, feeds: Feeds, target: Target, wanted: Wanted, progress: Progress
    ) -> None:
        """Begin; raise CompressionRefused for a wish that cannot be followed."""
        if wanted.precision not in ("", KEEP, HALF):
            raise CompressionRefused(f"there is no precision {wanted.precision!r}", f"known: {HALF}, {KEEP}")
        if wanted.opset and not MIN_OPSET <= wanted.opset <= onnx.defs.onnx_opset_version():
            newest = onnx.defs.onnx_opset_version()
            raise CompressionRefused(f"there is no opset {wanted.opset}", f"choose {MIN_OPSET} to {newest}")
        self._original, self._feeds, self._target = original, feeds, target
        self._wanted, self._progress = wanted, progress
        self._answers = _answers(original, feeds)
        self._model = original
        self.done: list[Fact] = []
        self.rejected: list[Fact] = []
        self.verified: list[Fact] = []
        self.unverified: list[Fact] = []

    def facts(self) -> tuple[tuple[Fact, ...], ...]:
        """Return what was done, rejected, verified and not verified."""
        return tuple(map(tuple, (self.done, self.rejected, self.verified, self.unverified)))

    # --- changes ------------------------------------------------------------------------------------------

    def change(self) -> None:
        """Make every change that the platform or the wish asks for."""
        self._change_opset()
        self._change_format()
        self._change_signs()
        if self._wanted.precision == HALF or (self._target.half and not self._wanted.precision):
            self._change_precision()

    def _change_opset(self) -> None:
        has = load.opset(self._model)
        newest = self._target.opset
        to = self._wanted.opset or (newest if newest and has > newest else has)
        if to != has:
            self._try(f"opset {has} -> {to}", lambda model: opsets.convert(model, to))

    def _change_format(self) -> None:
        has = self._model.ir_version
        if has > READ_IR and load.opset(self._model) <= READ_OPSET:
            self._try(f"file format (IR) {has} -> {READ_IR}", _in_known_format)

    def _change_signs(self) -> None:
        dtype = self._target.activation
        changed, count, left = signs.with_activations(self._model, dtype)
        if count:
            self._try(f"{count} quantized activations -> {dtype}", lambda _: changed)
        if left:
            reason = "another operator than QuantizeLinear or DequantizeLinear sees their bytes"
            self.rejected.append(Fact(f"{left} quantized activations -> {dtype}", reason))

    def _change_precision(self) -> None:
        what = "float32 -> float16"
        if HALF not in techniques.HOMES:
            self.rejected.append(Fact(what, "this version has no technique for it"))
            return
        technique = techniques.technique(HALF)
        if reason := technique.refuse(self._model, self._target):
            self.rejected.append(Fact(what, reason))
            return
        options = {name: values[0] for name, values in technique.choices.items()}
        with tempfile.TemporaryDirectory(prefix="lepton-adapt-") as scratch:
            materials = Materials(self._original, _Held(self._feeds), self._target, Path(scratch))
            self._try(what, lambda model: technique.apply(model, materials, options), LEAST_COSINE[HALF])

    def _try(self, what: str, change: Callable[[ModelProto], ModelProto], least: float = LEAST) -> None:
        """Make a change; keep it where the answers stay, else say why not."""
        self._progress(what, 0, 0)
        try:
            made = change(self._model)
            onnx.checker.check_model(made)
            cosine = self._beside_original(made, exact=least == LEAST)
        except (LeptonError, RuntimeError, ValueError, onnx.checker.ValidationError) as error:
            self.rejected.append(Fact(what, _first_line(error)))
            return
        if cosine < least:
            told = f"cosine {cosine:.6f}, {least} is needed" if cosine > -1 else PARTED
            self.rejected.append(Fact(what, f"the answers part: {told}"))
            return
        self._model = made
        self.done.append(
            Fact(what, f"the answers stay: least cosine {cosine:.6f} over {len(self._feeds)} inputs")
        )

    def _beside_original(self, made: ModelProto, exact: bool) -> float:
        if not exact:
            return _cosine(_answers(made, self._feeds), self._answers)
        plain = _answers(self._original, self._feeds, runtime.OFF)
        return _cosine(_answers(made, self._feeds, runtime.OFF), plain)

    # --- files --------------------------------------------------------------------------------------------

    def write(self, folder: Path) -> None:
        """Write the files of the bundle into `folder`, and look what can be said of them."""
        content = self._model.SerializeToString(deterministic=True)
        (folder / "model.onnx").write_bytes(content)
        self._see(folder / "model.onnx")
        self._write_store(folder / f"model{store.SUFFIX}", content)
        if self._wanted.ort or (self._wanted.ort is None and self._target.name in ORT_PLATFORMS):
            self._write_ort(folder)
        self._time(folder)
        self._tell_unknown()

    def _write_store(self, file: Path, content: bytes) -> None:
        try:
            store.write(self._model, file)
        except CorruptStore as error:  # it shrinks more than a reader would believe
            self.rejected.append(Fact(file.name, error.message))
            return
        if store.read(file).SerializeToString(deterministic=True) == content:
            self.verified.append(Fact(f"{file.name} is model.onnx, byte for byte", "expanded here"))

    def _write_ort(self, folder: Path) -> None:
        chosen = runtime.options(None, runtime.BASIC)  # what later levels do fits this processor only
        chosen.optimized_model_filepath = str(folder / "model.ort")
        chosen.add_session_config_entry("session.save_model_format", "ORT")
        try:
            runtime.open_session(folder / "model.onnx", chosen)
        except LeptonError as error:
            self.rejected.append(Fact("model.ort", error.message))
            return
        self._see(folder / "model.ort")

    def _see(self, file: Path) -> None:
        session = runtime.open_session(file, runtime.options(None, runtime.FULL))
        cosine = _cosine([runtime.run(session, feeds) for feeds in self._feeds], self._answers)
        inputs = "given" if self._wanted.data is not None else "made-up"
        where = f"onnxruntime {versions()['onnxruntime']} on this {machine.machine()}"
        seen = f"least cosine {cosine:.6f}" if cosine > -1 else PARTED
        how = f"{seen} over {len(self._feeds)} {inputs} inputs, by {where}"
        if cosine < min(LEAST_COSINE.values()):  # of a model that draws random numbers, or in another format
            self._see_parted(file, how)
            return
        nearly = "" if cosine >= LEAST else "nearly "
        self.verified.append(Fact(f"{file.name} opens and answers {nearly}as the original", how))

    def _see_parted(self, file: Path, how: str) -> None:
        """Say that the answers of `file` part here, and whether only the kernels of this processor make that."""
        try:
            plain = self._beside_original(self._model, exact=True)
        except LeptonError:  # the engine needs its optimisations to run it at all
            plain = -1.0
        if plain >= LEAST:
            told = f"least cosine {plain:.6f}, without the engine's optimisations"
            self.verified.append(Fact(f"the model in {file.name} answers node by node as the original", told))
            how = f"{how}: its kernels round otherwise"
        self.unverified.append(Fact(f"that {file.name} answers as the original", f"it does not: {how}"))

    def _time(self, folder: Path) -> None:
        measure: Any = self._wanted.measure
        if measure is None and this_machine() != self._target:
            return
        with tempfile.TemporaryDirectory(prefix="lepton-adapt-") as scratch:
            before = Path(scratch) / "original.onnx"
            before.write_bytes(self._original.SerializeToString())
            measure = measure or LocalMeasure(self._feeds, seconds=TIMED)
            for one in measure(folder / "model.onnx", before):
                mine, its = one.candidate, one.original
                told = f"{mine.median * 1e3:.2f} ms, the original {its.median * 1e3:.2f} ms, in turns"
                self.verified.append(Fact(f"its time on {mine.device}", f"{told}, {mine.runs} runs"))

    def _tell_unknown(self) -> None:
        name, here = self._target.name, this_machine() == self._target
        if not here and self._wanted.measure is None:
            how = f"lepton-edge adapt ... --platform {name} --device NAME, with an agent on it"
            self.unverified.append(Fact(f"that it runs on {name}, and how fast", how))
        if self._target.saturates and _is_quantized(self._model):
            how = "lepton-edge compress --platform " + name + ", which gives weights 7 bits"
            self.unverified.append(Fact("that no sum of 8-bit products saturates there", how))
        if self._wanted.data is None:
            self.unverified.append(Fact("the answers to real data", "give --data"))
        self.unverified.append(Fact("accuracy against labels", "lepton-edge compress --metric top1"))


def _in_known_format(model: ModelProto) -> ModelProto:
    made = ModelProto()
    made.CopyFrom(model)
    made.ir_version = READ_IR
    return made


class _Held:
    """The inputs that are checked with, as samples."""

    def __init__(self, feeds: Feeds) -> None:
        self._feeds = feeds

    def __iter__(self) -> Any:
        return (Sample(feeds, f"input {place}") for place, feeds in enumerate(self._feeds))

    def __len__(self) -> int:
        return len(self._feeds)


def _answers(model: ModelProto, feeds: Feeds, level: Any = runtime.FULL) -> list[Mapping[str, Array]]:
    runner = Runner(model, level)
    return [runner.run(one) for one in feeds]


def _cosine(found: Sequence[Mapping[str, Array]], wanted: Sequence[Mapping[str, Array]]) -> float:
    """Return the least cosine over inputs and outputs; -1 where shapes or names differ or a value is not finite."""
    least = 1.0
    for mine, original in zip(found, wanted, strict=True):
        if mine.keys() != original.keys():
            return -1.0
        least = min([least, *(_one_cosine(mine[name], original[name]) for name in original)])
    return least


def _one_cosine(mine: Array, original: Array) -> float:
    if mine.shape != original.shape:
        return -1.0
    if mine.dtype.kind not in "fiub":
        return 1.0 if np.array_equal(mine, original) else -1.0
    left, right = mine.astype(np.float64).reshape(-1), original.astype(np.float64).reshape(-1)
    if not np.isfinite(left).all():
        return 1.0 if np.array_equal(left, right, equal_nan=True) else -1.0
    sizes = float(np.linalg.norm(left) * np.linalg.norm(right))
    return float(left @ right) / sizes if sizes else float(np.array_equal(left, right))


def _is_quantized(model: ModelProto) -> bool:
    return quantized.is_quantized(f"{node.domain}/{node.op_type}" for node in model.graph.node)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(getattr(error, "message", error)).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
