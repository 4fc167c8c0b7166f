"""Reading a manifest: what it means, and every way of getting it wrong."""

from __future__ import annotations

import pytest

from partitioner.errors import InvalidManifest
from partitioner.manifest import (
    Accuracy,
    ArrayInput,
    Manifest,
    OutputRule,
    PictureInput,
    Resize,
    read_manifest,
)
from partitioner.plan import QueueRule

FULL = """
format = 1
[model]
name = "mobilenetv2"
description = "a classifier"
license = "Apache-2.0"
[[input]]
name = "input"
kind = "picture"
resize = { shorter = 256, filter = "cubic" }
crop = [224, 224]
layout = "NHWC"
channels = "BGR"
scale = 0.5
mean = [0.4, 0.5, 0.6]
std = [1, 2, 3]
[[input]]
name = "ids"
kind = "array"
shape = [1, 128]
[[output]]
name = "logits"
softmax = true
top_k = 5
labels = "labels.txt"
[accuracy]
max_relative_error = 0.1
min_top1_kept = 0.9
[queue]
policy = "newest"
limit = 2
in_flight = 3
max_batch = 4
batch_wait_ms = 5
"""


def test_a_full_manifest_reads_into_its_nouns() -> None:
    picture = PictureInput(
        name="input", resize=Resize(256, None, "cubic"), crop=(224, 224), layout="NHWC", channels="BGR",
        scale=0.5, mean=(0.4, 0.5, 0.6), std=(1.0, 2.0, 3.0),
    )  # fmt: skip
    manifest = read_manifest(FULL)
    assert manifest == Manifest(
        name="mobilenetv2",
        description="a classifier",
        license="Apache-2.0",
        inputs=(picture, ArrayInput("ids", (1, 128))),
        outputs=(OutputRule("logits", softmax=True, top_k=5, labels="labels.txt", keep=False),),
        accuracy=Accuracy(0.1, 0.9),
        queue=QueueRule("newest", 2, 3, 4, 5.0),
    )
    assert manifest.shapes == {"ids": (1, 128)}


def test_an_empty_manifest_asks_for_nothing() -> None:
    assert read_manifest("") == Manifest()


def test_an_output_is_kept_beside_its_best_only_when_asked() -> None:
    def keeps(text: str) -> bool:
        return read_manifest(f'[[output]]\nname = "y"\n{text}').outputs[0].keep

    assert keeps("")
    assert not keeps("top_k = 3")
    assert keeps("top_k = 3\nkeep = true")


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ("softmax = true", OutputRule("y", softmax=True, top_k=5, keep=False, defaulted=True)),
        ('labels = "l.txt"', OutputRule("y", labels="l.txt", top_k=5, keep=False, defaulted=True)),
        ("softmax = true\nkeep = true", OutputRule("y", softmax=True, top_k=5, keep=True, defaulted=True)),
        ("softmax = true\ntop_k = 1", OutputRule("y", softmax=True, top_k=1, keep=False)),
        ("softmax = false", OutputRule("y")),
    ],
)
def test_softmax_or_labels_alone_mean_the_best_five(said: str, rule: OutputRule) -> None:
    assert read_manifest(f'[[output]]\nname = "y"\n{said}').outputs == (rule,)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("mean =", "maen =", "did you mean `mean`"),
        ("[accuracy]", "[accurcy]", "did you mean `accuracy`"),
        ("filter =", "fliter =", "did you mean `filter`"),
        ("format = 1", "format = 2", "reads format 1"),
        ('name = "input"', "", "name of a tensor"),
        ('"picture"', '"pixels"', "one of array, picture"),
        ("shorter = 256", "shorter = 0", "{ shorter = PIXELS }"),
        ("shorter = 256", "shorter = 256, size = [1, 1]", "{ shorter = PIXELS }"),
        ("shorter = 256", "shorter = -3", "{ shorter = PIXELS }"),
        ("shorter = 256", "shorter = 1000000", "{ shorter = PIXELS }"),
        ("crop = [224, 224]", "crop = [300, 224]", "at most 256 x 256"),
        ("crop = [224, 224]", "crop = [224]", "[height, width]"),
        ('"NHWC"', '"HWC"', "one of NCHW, NHWC"),
        ("[1, 2, 3]", "[1, 0, 3]", "other than zero"),
        ("[1, 2, 3]", "[1, 2]", "1 or 3 numbers"),
        ("scale = 0.5", "scale = inf", "finite"),
        ("scale = 0.5", 'scale = "half"', "must be a float"),
        ("[0.4, 0.5, 0.6]", "[nan, 0.5, 0.6]", "finite"),
        ("shape = [1, 128]", "shape = [1, 0]", "positive integers"),
        ("top_k = 5", "top_k = -1", "0 to 1000"),
        ("top_k = 5", "top_k = 0", "needs top_k above 0"),
        ('softmax = true\ntop_k = 5\nlabels = "labels.txt"', "keep = false", "needs top_k above 0"),
        ("softmax = true", "softmax = 1", "must be a bool"),
        ('"labels.txt"', '"../labels.txt"', "without a folder"),
        ("max_relative_error = 0.1", "max_relative_error = -1.0", "zero or more"),
        ("min_top1_kept = 0.9", "min_top1_kept = 2", "between 0 and 1"),
        ("[[output]]", '[[output]]\nname = "logits"\n[[output]]', "twice"),
        ("[model]", "[model", "not TOML"),
        ("[model]", "[[model]]", "a table"),
    ],
)
def test_what_is_wrong_is_said(old: str, new: str, says: str) -> None:
    assert old in FULL
    with pytest.raises(InvalidManifest) as caught:
        read_manifest(FULL.replace(old, new, 1))
    assert says in str(caught.value)


def test_a_gigantic_manifest_is_refused_unread() -> None:
    with pytest.raises(InvalidManifest, match="characters"):
        read_manifest("#" * (1 << 21))


def test_a_smaller_model_is_named_and_else_there_is_none() -> None:
    assert read_manifest('[model]\nsmaller = "tiny"').smaller == "tiny"
    assert read_manifest("").smaller == ""


def test_queue_rules_are_read_and_their_defaults_are_those_of_the_noun() -> None:
    assert read_manifest(FULL).queue == QueueRule("newest", 2, 3, 4, 5.0)
    assert read_manifest("").queue == QueueRule() == QueueRule("block", 0, 0, 0, 0.0)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('policy = "lifo"', "one of block, newest, oldest"),
        ("limit = -1", "0 to 65536"),
        ("in_flight = 1.5", "a int"),
        ("max_batch = 100000", "0 to 65536"),
        ("batch_wait_ms = 5000", "0 to 1000 milliseconds"),
        ("limits = 3", r"did you mean `limit`"),
    ],
)
def test_a_wrong_queue_rule_is_named(line: str, says: str) -> None:
    with pytest.raises(InvalidManifest) as wrong:
        read_manifest(f"[queue]\n{line}")
    assert says in str(wrong.value)


def test_what_a_model_is_a_variant_of_is_named_and_else_it_is_none() -> None:
    assert read_manifest('[model]\nvariant_of = "net"').variant_of == "net"
    assert read_manifest("").variant_of == ""
