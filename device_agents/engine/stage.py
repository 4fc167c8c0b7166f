"""One stage of one request, or of several at once: decode, compute, encode, and where the time went.

Law: plain functions of a computing thread; knows no queue and no asyncio. A ticket is looked at between any two steps.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Hashable, Mapping, Sequence

from device_agents.engine.batching import run_together
from device_agents.engine.blocks import Env, OpenBlock, Span, Timed, run_span
from device_agents.engine.codecs import TensorCodec
from device_agents.engine.driver import Ticket
from device_agents.engine.timing import Lateness, Pacer, Timings
from device_agents.engine.work import Done, Work
from lepton_edge.core.frames import WireTensor
from lepton_edge.core.results import Array
from partitioner.units import TensorName


class Stages:
    """Runs stages as a device would that is `slowdown` times slower."""

    def __init__(self, codec: TensorCodec, slowdown: float) -> None:
        self._codec = codec
        self._slowdown = slowdown
        self._lateness = Lateness()

    def run(self, work: Work, ticket: Ticket) -> Done:
        """Run one stage of one request.

        Raises:
            InvalidInput: a tensor is missing, of another dtype or shape, or no picture.
            CorruptFrame: a tensor cannot be decoded.
            ComputeFailed: the engine failed on valid input.
        """
        span = work.blocks.span(work.first, work.last)
        pacer = Pacer(self._slowdown, self._lateness)
        given, decode = self._decode(work, span, ticket, pacer)
        clock = _Clock(pacer, ticket)
        env = run_span(span, given, _kept(work), clock.timed)
        wire, encode = self._encode(work, env, ticket, pacer)
        pacer.settle(ticket.check)
        return _done(work, env, wire, Timings(ticket.waited, decode, clock.compute, encode))

    def run_together(self, works: Sequence[Work], tickets: Sequence[Ticket], shared: Ticket) -> list[Done]:
        """Run the same stage of several requests, as one where its blocks allow it.

        What one request waited for the others' decoding and encoding is told as queueing. Raises what `run` does, for
        all when one of them is at fault.
        """
        span = works[0].blocks.span(works[0].first, works[0].last)
        pacer, begin = Pacer(self._slowdown, self._lateness), time.perf_counter()
        given = [self._decode(work, span, shared, pacer) for work in works]
        clock = _Clock(pacer, shared)
        envs = run_together(span, [env for env, _ in given], _kept(works[0]), clock.timed)
        wires = [self._encode(work, env, shared, pacer) for work, env in zip(works, envs, strict=True)]
        pacer.settle(shared.check)
        elapsed, count = time.perf_counter() - begin, len(works)
        found = []
        for work, ticket, (_, decode), env, (wire, encode) in zip(
            works, tickets, given, envs, wires, strict=True
        ):
            others = max(0.0, elapsed - decode - clock.compute - encode)
            timings = Timings(ticket.waited + others, decode, clock.compute, encode, count)
            found.append(_done(work, env, wire, timings))
        return found

    def _decode(self, work: Work, span: Span, ticket: Ticket, pacer: Pacer) -> tuple[Env, float]:
        wanted = span.inputs | _kept(work)
        given: Env = {}
        spent = 0.0
        for name, value in work.given.items():
            if not isinstance(value, WireTensor):
                given[name] = value
            elif name in wanted:
                ticket.check()
                given[name], seconds = pacer.time(functools.partial(self._codec.decode, value))
                spent += seconds
        return given, spent

    def _encode(
        self, work: Work, env: Env, ticket: Ticket, pacer: Pacer
    ) -> tuple[tuple[WireTensor, ...], float]:
        wire: list[WireTensor] = []
        spent = 0.0
        for choice in work.leaving:
            ticket.check()
            step = functools.partial(self._codec.encode, choice.tensor, env[choice.tensor], choice.codec)
            one, seconds = pacer.time(step)
            wire.append(one)
            spent += seconds
        return tuple(wire), spent


class _Clock:
    """Times the blocks of one walk."""

    def __init__(self, pacer: Pacer, ticket: Ticket) -> None:
        self._pacer, self._ticket = pacer, ticket
        self.compute = 0.0

    @property
    def timed(self) -> Timed:
        """What runs one block."""
        return self._run

    def _run(self, one: OpenBlock, env: Mapping[TensorName, Array]) -> Env:
        self._ticket.check()
        made, seconds = self._pacer.time(lambda: one.runner.run(env, self._ticket.run_options))
        self.compute += seconds
        return made


def kind_of(work: Work, span: Span) -> Hashable:
    """Return what two works have in common that may run as one: opened blocks, codecs, and shapes but for values.

    Two epochs may share opened blocks; while something waits with a kind, its blocks are held, so that no id is reused.
    """
    shapes = tuple((name, value.shape) for name, value in sorted(work.given.items()) if name in span.inputs)
    return tuple(id(one.runner) for one in span.steps), work.keep, work.leaving, shapes


def _kept(work: Work) -> frozenset[TensorName]:
    return work.keep | {choice.tensor for choice in work.leaving}


def _done(work: Work, env: Env, wire: tuple[WireTensor, ...], timings: Timings) -> Done:
    return Done({name: array for name, array in env.items() if name in work.keep}, wire, timings)
