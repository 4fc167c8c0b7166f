"""The model manifest: what a TOML file says about a model's inputs and outputs beyond its ONNX graph.

Law: text to frozen nouns, and nothing else; it has never seen a graph (`onnx_io.compose` holds the two
together). Unknown keys are errors, because a misspelt `mean` would silently cost accuracy. Every message says
where and what.

    format = 1
    [model]                 name, description, license, smaller (another model, which may answer degraded),
                            variant_of (the model that this is another precision of)
    [[input]]               kind = "picture": resize, crop, layout, channels, scale, mean, std
                            kind = "array": shape
    [[output]]              softmax, top_k (5 where softmax or labels are asked for without it), labels, keep
    [accuracy]              max_relative_error, min_top1_kept
    [queue]                 policy = "block", "newest" or "oldest"; limit, in_flight, max_batch, batch_wait_ms
"""

from __future__ import annotations

import difflib
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from partitioner.errors import InvalidManifest
from partitioner.plan import QUEUE_POLICIES, QueueRule
from partitioner.units import TensorName

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FORMAT = 1
FILTERS = ("linear", "cubic", "nearest")
LAYOUTS = ("NCHW", "NHWC")
CHANNELS = ("RGB", "BGR")
MAX_SIDE = 16384  # pixels; a larger picture is refused before it is resized, so a manifest cannot ask for it
MAX_TOP_K = 1000
DEFAULT_TOP_K = 5  # where softmax or labels are asked for without saying how many
MAX_TEXT = 1 << 20
MAX_QUEUE = 1 << 16
MAX_BATCH_WAIT = 1000.0  # milliseconds

T = TypeVar("T")


@dataclass(frozen=True)
class Resize:
    """How a decoded picture is resized: `shorter` side to so many pixels, or to `size` (height, width).

    Exactly one of the two is set (`shorter` > 0, or `size`). `filter` is linear, cubic or nearest; all but
    nearest are antialiased, as Pillow does it.
    """

    shorter: int = 0
    size: tuple[int, int] | None = None
    filter: str = "linear"


@dataclass(frozen=True)
class PictureInput:
    """A model input that is a picture: decode, resize, center crop, (x * scale - mean) / std.

    `resize` None means: to the input's own height and width. `crop` is (height, width). `mean` and `std` are
    in the order of `channels`; empty means 0 and 1.
    """

    name: TensorName
    resize: Resize | None = None
    crop: tuple[int, int] | None = None
    layout: str = "NCHW"
    channels: str = "RGB"
    scale: float = 1.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


@dataclass(frozen=True)
class ArrayInput:
    """A model input that is an array; `shape` (a shape bucket) gives dynamic dimensions a typical size."""

    name: TensorName
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class OutputRule:
    """What is made of one model output: softmax, the best `top_k`, their names from `labels`.

    `top_k` = 0 leaves the output as it is; left out beside `softmax` or `labels` it is 5, and `defaulted`
    says so: an output of fewer classes then gives them all. `labels` is the name of a UTF-8 file, one label a
    line. `keep` returns the output itself beside the best k.
    """

    name: TensorName
    softmax: bool = False
    top_k: int = 0
    labels: str = ""
    keep: bool = True
    defaulted: bool = False


@dataclass(frozen=True)
class Accuracy:
    """What a lossy codec may cost at the model's outputs, over the samples given at push."""

    max_relative_error: float = 0.02
    min_top1_kept: float = 1.0


@dataclass(frozen=True)
class Manifest:
    """All that a manifest says."""

    name: str = ""
    description: str = ""
    license: str = ""
    inputs: tuple[PictureInput | ArrayInput, ...] = ()
    outputs: tuple[OutputRule, ...] = ()
    accuracy: Accuracy = Accuracy()
    queue: QueueRule = QueueRule()
    smaller: str = ""
    variant_of: str = ""

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape buckets that array inputs declare, by input name."""
        return {str(one.name): one.shape for one in self.inputs if isinstance(one, ArrayInput) and one.shape}


def read_manifest(text: str) -> Manifest:
    """Read a manifest from TOML; raise InvalidManifest saying which key is wrong and what is expected."""
    if len(text) > MAX_TEXT:
        raise InvalidManifest(f"the manifest has {len(text)} characters", f"at most {MAX_TEXT} are read")
    try:
        root = _Table("the manifest", tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InvalidManifest(f"the manifest is not TOML: {error}", "mend the line it names") from error
    _check_format(root.take("format", int, FORMAT))
    model = root.table("model")
    inputs, outputs = root.tables("input"), root.tables("output")
    accuracy, queue = root.table("accuracy"), root.table("queue")
    root.finish()
    manifest = Manifest(
        **{
            key: model.take(key, str, "")
            for key in ("name", "description", "license", "smaller", "variant_of")
        },
        inputs=tuple(_input(table) for table in inputs),
        outputs=tuple(_output(table) for table in outputs),
        accuracy=_accuracy(accuracy),
        queue=_queue(queue),
    )
    model.finish()
    _distinct("input", [one.name for one in manifest.inputs])
    _distinct("output", [one.name for one in manifest.outputs])
    return manifest


class _Table:
    """One TOML table that knows its name and which of its keys were read."""

    def __init__(self, where: str, values: Mapping[str, Any]) -> None:
        self.where = where
        self.values = values
        self.known: list[str] = []

    def take(self, key: str, kind: type[T], default: T) -> T:
        self.known.append(key)
        value = self.values.get(key, default)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.wrong(key, f"a {kind.__name__}")
        if isinstance(value, float) and not math.isfinite(value):
            raise self.wrong(key, "a finite number")
        return value

    def choice(self, key: str, options: Sequence[str]) -> str:
        value = self.take(key, str, options[0])
        if value not in options:
            raise self.wrong(key, "one of " + ", ".join(options))
        return value

    def numbers(self, key: str, counts: Sequence[int]) -> tuple[float, ...]:
        self.known.append(key)
        value = self.values.get(key, [])
        if not isinstance(value, list) or (value and len(value) not in counts):
            raise self.wrong(key, f"a list of {' or '.join(map(str, counts))} numbers")
        if not all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in value):
            raise self.wrong(key, "a list of numbers")
        if not all(math.isfinite(one) for one in value):
            raise self.wrong(key, "a list of finite numbers")
        return tuple(float(one) for one in value)

    def sides(self, key: str) -> tuple[int, int] | None:
        self.known.append(key)
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or len(value) != 2 or not all(_is_side(one) for one in value):
            raise self.wrong(key, f"[height, width] in pixels, 1 to {MAX_SIDE}")
        return (value[0], value[1])

    def table(self, key: str) -> _Table:
        self.known.append(key)
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.wrong(key, "a table")
        return _Table(f"[{key}]", value)

    def tables(self, key: str) -> list[_Table]:
        self.known.append(key)
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise self.wrong(key, f"an array of tables, [[{key}]]")
        return [_Table(f"[[{key}]] {one.get('name', number)}", one) for number, one in enumerate(value, 1)]

    def finish(self) -> None:
        for key in self.values:
            if key not in self.known:
                near = difflib.get_close_matches(key, self.known, 1)
                hint = (
                    f"did you mean `{near[0]}`?" if near else "known here: " + ", ".join(sorted(self.known))
                )
                raise InvalidManifest(f"{self.where} has an unknown key `{key}`", hint)

    def wrong(self, key: str, expected: str) -> InvalidManifest:
        found = self.values.get(key, "nothing")
        return InvalidManifest(f"`{key}` in {self.where} must be {expected}", f"it is {found!r}")


def _is_side(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_SIDE


def _check_format(number: int) -> None:
    if number != FORMAT:
        hint = f"this version reads format {FORMAT}"
        raise InvalidManifest(f"the manifest is of format {number}", hint)


def _distinct(kind: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise InvalidManifest(f"the manifest describes the {kind} `{name}` twice", "keep one of them")


def _name(table: _Table) -> TensorName:
    name = table.take("name", str, "")
    if not name:
        raise table.wrong("name", "the name of a tensor of the model")
    return TensorName(name)


def _input(table: _Table) -> PictureInput | ArrayInput:
    kind = table.choice("kind", ("array", "picture"))
    rule = _picture(table) if kind == "picture" else _array(table)
    table.finish()
    return rule


def _array(table: _Table) -> ArrayInput:
    table.known.append("shape")
    shape = table.values.get("shape", [])
    if not isinstance(shape, list) or not all(
        isinstance(one, int) and not isinstance(one, bool) and 0 < one < 1 << 31 for one in shape
    ):
        raise table.wrong("shape", "a list of positive integers")
    return ArrayInput(_name(table), tuple(shape))


def _picture(table: _Table) -> PictureInput:
    rule = PictureInput(
        name=_name(table),
        resize=_resize(table),
        crop=table.sides("crop"),
        layout=table.choice("layout", LAYOUTS),
        channels=table.choice("channels", CHANNELS),
        scale=table.take("scale", float, 1.0),
        mean=table.numbers("mean", (1, 3)),
        std=table.numbers("std", (1, 3)),
    )
    if 0.0 in rule.std:
        raise table.wrong("std", "numbers other than zero")
    _check_crop(table, rule)
    return rule


def _check_crop(table: _Table, rule: PictureInput) -> None:
    if rule.resize is None or rule.crop is None:
        return
    height, width = rule.resize.size or (rule.resize.shorter, rule.resize.shorter)
    if rule.crop[0] > height or rule.crop[1] > width:
        raise table.wrong("crop", f"at most {height} x {width}, what the picture is resized to")


def _resize(table: _Table) -> Resize | None:
    if "resize" not in table.values:
        table.known.append("resize")
        return None
    inner = table.table("resize")
    inner.where = f"`resize` of {table.where}"
    shorter = inner.take("shorter", int, 0)
    size = inner.sides("size")
    rule = Resize(shorter, size, inner.choice("filter", FILTERS))
    inner.finish()
    if (size is None) == (shorter == 0) or not (shorter == 0 or _is_side(shorter)):
        raise table.wrong("resize", "{ shorter = PIXELS } or { size = [HEIGHT, WIDTH] }")
    return rule


def _output(table: _Table) -> OutputRule:
    name, softmax = _name(table), table.take("softmax", bool, False)
    labels = table.take("labels", str, "")
    defaulted = "top_k" not in table.values and (softmax or labels != "")
    top_k = table.take("top_k", int, DEFAULT_TOP_K if defaulted else 0)
    keep = table.take("keep", bool, top_k == 0)
    table.finish()
    rule = OutputRule(name, softmax, top_k, labels, keep, defaulted)
    _check_output(table, rule)
    return rule


def _check_output(table: _Table, rule: OutputRule) -> None:
    if not 0 <= rule.top_k <= MAX_TOP_K:
        raise table.wrong("top_k", f"0 to {MAX_TOP_K}")
    if rule.top_k == 0 and (rule.softmax or rule.labels or not rule.keep):
        raise InvalidManifest(
            f"{table.where} asks for softmax, labels or keep = false, but for no best values",
            "it needs top_k above 0",
        )
    if "/" in rule.labels or "\\" in rule.labels or rule.labels in (".", ".."):
        raise table.wrong("labels", "the name of a file beside the manifest, without a folder")


def _accuracy(table: _Table) -> Accuracy:
    rule = Accuracy(
        table.take("max_relative_error", float, Accuracy.max_relative_error),
        table.take("min_top1_kept", float, Accuracy.min_top1_kept),
    )
    table.finish()
    if rule.max_relative_error < 0:
        raise table.wrong("max_relative_error", "zero or more")
    if not 0 <= rule.min_top1_kept <= 1:
        raise table.wrong("min_top1_kept", "between 0 and 1")
    return rule


def _queue(table: _Table) -> QueueRule:
    rule = QueueRule(
        table.choice("policy", QUEUE_POLICIES),
        table.take("limit", int, 0),
        table.take("in_flight", int, 0),
        table.take("max_batch", int, 0),
        table.take("batch_wait_ms", float, 0.0),
    )
    table.finish()
    for key in ("limit", "in_flight", "max_batch"):
        if not 0 <= getattr(rule, key) <= MAX_QUEUE:
            raise table.wrong(key, f"0 to {MAX_QUEUE}")
    if not 0 <= rule.batch_wait_ms <= MAX_BATCH_WAIT:
        raise table.wrong("batch_wait_ms", f"0 to {MAX_BATCH_WAIT:.0f} milliseconds")
    return rule
