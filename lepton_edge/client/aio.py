"""The client for asyncio: every call of the SDK, written once.

Law: owns deadlines, the bound on calls in flight, and the client's clock; speaks nouns to a `Transport` and
nothing of sockets or protobuf. `sync.py` is a thin face over this class.
"""

from __future__ import annotations

import functools
import time
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from lepton_edge.client.asking import Asker, Told
from lepton_edge.client.control import AsyncControl
from lepton_edge.client.exchange import (
    LONGEST_DEADLINE,
    Input,
    Times,
    Wanted,
    failed_result,
    outputs_of,
    request_frame,
    result_of,
)
from lepton_edge.client.keys import coordinator_beside, trust_for
from lepton_edge.client.logs import be_quiet
from lepton_edge.client.remote import RemoteTransport
from lepton_edge.client.retries import RETRIES
from lepton_edge.client.streaming import (
    IN_FLIGHT,
    Inputs,
    Item,
    OnError,
    Source,
    check_wishes,
    results,
    split,
)
from lepton_edge.client.transport import Transport
from lepton_edge.core.errors import DeadlineExceeded, LeptonError, Superseded
from lepton_edge.core.results import Result
from lepton_edge.link.timeout import Timeout
from partitioner.units import RequestId

MAX_IN_FLIGHT = 64
PATIENCE = 60.0


class AsyncClient(AsyncControl):
    """Asks models questions, and the coordinator for everything else.

    Args:
        address: "host:port" of an agent (which then is the entry), or of a coordinator (whose best entry is
            asked; one on this machine first). None: the coordinator whose administrator's key it asks with, as far
            as it runs here; else a coordinator or an agent at its usual port here; else mDNS is asked.
        key: the file that proves who asks; without one LEPTON_EDGE_KEY's, `~/.config/lepton-edge/key.pem`, and on
            the coordinator's machine its administrator's.
        insecure: True: ask a coordinator and agents that run with --insecure, in the open.
        transport: replaces the network, see `MockTransport`.
        max_in_flight: inferences in flight at once; further calls wait, up to 1,024 of them, within their
            deadline.
        patience: seconds after which an inference without a deadline fails; it is not told to the agents.
        retries: how often an inference is tried again that was refused or broken off and that a moment can mend
            (Overloaded, Unavailable, StaleEpoch), within its deadline, after as long as whoever refused it says;
            0: such an error is raised at once.
        accept_degraded: whether a declared smaller model may answer where nobody can give a better answer in time
            (`Result.degraded` says so); else that is an error, mostly Unavailable.

    Raises:
        Unauthenticated: there is no key, and `insecure` does not say that none is needed.

    One warm link is kept and dialled anew when it breaks. A client belongs to the event loop that first uses
    it: it is not safe to use from other threads, which share a `Client` instead.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        key: str | Path | None = None,
        insecure: bool | None = None,
        transport: Transport | None = None,
        max_in_flight: int = MAX_IN_FLIGHT,
        patience: float = PATIENCE,
        retries: int = RETRIES,
        accept_degraded: bool = True,
    ) -> None:
        be_quiet()
        reached = transport or RemoteTransport(
            address,
            trust=trust_for(key, insecure),
            beside=functools.partial(coordinator_beside, key, insecure),
        )
        super().__init__(reached, Asker(reached, max_in_flight, retries))
        self._patience = patience
        self._degraded = accept_degraded

    async def __aenter__(self) -> AsyncClient:
        """Return the client itself; nothing is dialled before the first call."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the client."""
        await self.close()

    async def close(self) -> None:
        """Give back links and channels; calls in flight end with Unavailable. Closing twice is fine."""
        if not self._asker.closed:
            self._asker.check_usable()
            self._asker.closed = True
            await self._transport.close()

    # --- inference ------------------------------------------------------------------------------------------

    async def infer(
        self,
        model: str,
        inputs: Mapping[str, Input],
        *,
        outputs: Sequence[str] = (),
        deadline: float | None = None,
        page: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> Result:
        """Run `model` on `inputs` and return its answer; its arrays are read-only (copy to change them).

        Args:
            model: the name that it was pushed under.
            inputs: by input name, an array of the input's dtype and shape; where the manifest declares a
                picture, also a uint8 [height, width, 3] array, the bytes of a JPEG or PNG, or a path to one.
            outputs: names of wanted outputs, all when empty; one name may be given as it is.
            deadline: seconds from now within which the answer must be here.
            page: pins one page of the active plan book ("local", "cloud-jpeg", "cut-3", ...).
            metadata: strings that travel along to every stage, and come back in the result's metadata; 64
                entries and 16 KiB at most.

        Raises:
            InvalidInput: wrong name, dtype, shape, NaN in an input, or a picture that cannot be decoded.
            UnknownModel, UnknownPage: no such thing is active.
            DeadlineExceeded: the deadline, or the client's patience, is over; the request was cancelled.
            Overloaded: too many calls wait; try again later.
            Unavailable: nobody can answer.
        """
        return await self._infer(model, inputs, self._wanted(outputs, deadline, page, metadata))

    def stream(
        self,
        model: str,
        inputs: Source,
        *,
        in_flight: int = IN_FLIGHT,
        ordered: bool = True,
        on_error: OnError = "raise",
        outputs: Sequence[str] = (),
        deadline: float | None = None,
        page: str = "",
    ) -> AsyncGenerator[Result, None]:
        """Run `model` on every item of `inputs`, several at a time; iterate over the results with `async for`.

        Args:
            model: as of `infer`.
            inputs: an iterable, asynchronous or not, of what `infer` takes as inputs; an item may also be a pair
                (inputs, metadata). It is asked for the next one only when there is room; an array must not change
                before its result is here.
            in_flight: inputs taken and not yet handed over, at most; a reader who waits stops the source.
            ordered: results in the order of the inputs, else as they come; each knows its `index`.
            on_error: "raise" ends the stream with the error; "yield" yields a result with that `error`.
            outputs: as of `infer`.
            deadline: seconds for each one, from when it is taken.
            page: as of `infer`.

        Raises (while it is iterated over):
            As `infer`, and what the source raises. A frame that a newer one superseded (the model's queue policy)
            is left out under "raise". Leaving early cancels what is in flight.
        """
        check_wishes(in_flight, on_error)
        wanted = self._wanted(outputs, deadline, page)
        ask = functools.partial(self._infer_item, model, wanted, on_error)
        return results(inputs, ask, in_flight, ordered)

    def _wanted(
        self,
        outputs: Sequence[str],
        deadline: float | None,
        page: str,
        metadata: Mapping[str, str] | None = None,
    ) -> Wanted:
        names = (outputs,) if isinstance(outputs, str) else tuple(outputs)
        return Wanted(names, deadline, page, metadata=metadata or {}, degraded=self._degraded)

    async def _infer_item(
        self, model: str, wanted: Wanted, on_error: OnError, index: int, item: Item
    ) -> Result | None:
        inputs, metadata = split(item)
        try:
            result = await self._infer(model, inputs, replace(wanted, metadata=metadata))
        except LeptonError as error:
            if on_error == "yield":
                return failed_result(model, metadata, index, error)
            if isinstance(error, Superseded):
                return None
            raise
        return replace(result, index=index) if index else result

    async def _infer(self, model: str, inputs: Inputs, wanted: Wanted) -> Result:
        self._asker.check_usable()
        started = time.monotonic()
        limit = _time_limit(wanted.deadline, self._patience)
        async with Timeout(limit, _too_late(model, limit, wanted.deadline)):
            frame = request_frame(RequestId(uuid.uuid4().hex), model, inputs, wanted)
            made = time.monotonic()
            told = await self._asker.ask(frame, started, limit)
            return _result(told, started, made)


def _time_limit(deadline: float | None, patience: float) -> float:
    if deadline is None:
        return patience
    if not deadline > 0:
        raise DeadlineExceeded(f"the deadline of {deadline} s is already past", "give seconds from now")
    return min(deadline, LONGEST_DEADLINE)


def _too_late(model: str, limit: float, deadline: float | None) -> DeadlineExceeded:
    whose = "deadline" if deadline is not None else "patience of this client"
    return DeadlineExceeded(f"no answer from {model!r} within {limit:g} s ({whose})", "allow more time")


def _result(told: Told, started: float, made: float) -> Result:
    arrays = outputs_of(told.frame)
    decode = time.monotonic() - told.answered
    times = Times(made - started, told.answered - told.sent, decode, queue=told.sent - made)
    return result_of(told.frame, arrays, times)
