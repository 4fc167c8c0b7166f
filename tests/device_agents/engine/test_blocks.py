"""A range of blocks keeps a tensor exactly as long as somebody needs it."""

from __future__ import annotations

import pytest

from device_agents.engine.blocks import OpenBlock, OpenBlocks, Span, inputs_of, run_span
from lepton_edge.core.errors import ComputeFailed, InvalidInput
from partitioner.plan import Block, TensorSpec


class Named:
    """Makes its outputs out of nothing but their names."""

    def __init__(self, *outputs):
        self.outputs = outputs

    def run(self, env, run_options=None):
        return {name: f"made {name}" for name in self.outputs}


def block(index, inputs, outputs):
    specs = [tuple(TensorSpec(name, "float32", (1,)) for name in side) for side in (inputs, outputs)]
    return OpenBlock(Block(index, "onnx", *specs), Named(*outputs), 0.5)


LINE = [block(0, "a", "bs"), block(1, "b", "c"), block(2, "cs", "d"), block(3, "d", "e")]


def span(steps):
    return Span(tuple(steps), inputs_of(steps))


def seen_by_each(keep):
    seen = []

    def timed(one, env):
        seen.append("".join(sorted(env)))
        return one.runner.run(env)

    return run_span(span(LINE), {"a": "given", "unused": "given"}, frozenset(keep), timed), seen


def test_tensors_are_dropped_when_nobody_reads_them_any_more():
    env, seen = seen_by_each({"e"})
    assert env == {"e": "made e"}
    assert seen == ["aunused", "bs", "cs", "d"]


def test_what_is_asked_for_is_kept_to_the_end():
    env, seen = seen_by_each({"a", "c"})
    assert set(env) == {"a", "c"}
    assert seen[-1] == "acd"


def test_a_missing_input_names_block_and_tensor():
    with pytest.raises(InvalidInput, match=r"block 2 needs \['s'\]"):
        run_span(span(LINE[2:]), {"c": "given"}, frozenset("e"), lambda one, env: one.runner.run(env))


def test_a_range_needs_every_block():
    held = OpenBlocks({0: LINE[0], 2: LINE[2]})
    assert held.opened == (0.5, 0.5)
    with pytest.raises(ComputeFailed, match=r"\[1\]"):
        held.span(0, 3)


def test_inputs_of_a_range_are_what_it_does_not_make_itself():
    assert inputs_of(LINE) == {"a"}
    assert inputs_of(LINE[1:3]) == {"b", "s"}


def test_a_range_takes_the_longest_fused_run_that_begins_where_it_stands():
    held = {index: one for index, one in enumerate(LINE)}
    short, long, late = (block(4 + n, "x", "y") for n in range(3))
    blocks = OpenBlocks(held, {(1, 3): short, (1, 4): long, (2, 4): late})
    assert blocks.span(0, 4).steps == (LINE[0], long)
    assert blocks.span(1, 3).steps == (short,)
    assert blocks.span(2, 4).steps == (late,)
    assert blocks.span(3, 4).steps == (LINE[3],)


def test_a_fused_run_does_not_stand_for_blocks_that_are_not_held():
    blocks = OpenBlocks({0: LINE[0]}, {(1, 3): block(4, "x", "y")})
    with pytest.raises(ComputeFailed, match=r"\[1, 2\]"):
        blocks.span(0, 3)


def test_a_range_is_worked_out_once():
    blocks = OpenBlocks(dict(enumerate(LINE)))
    assert blocks.span(0, 4) is blocks.span(0, 4)
    assert blocks.span(0, 4).inputs == {"a"}
    assert blocks.span(0, 4).alive_after(frozenset("c")) is blocks.span(0, 4).alive_after(frozenset("c"))
    assert blocks.span(0, 4).alive_after(frozenset("c"))[-1] == {"c"}
