"""The client for ordinary code: the asyncio client on an event loop of its own, in a thread of its own.

Law: no logic. Each method hands one coroutine of `AsyncClient` to the loop and waits for it, so that both
clients are one implementation.
"""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterable, Coroutine, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from lepton_edge.client.admin import OnProgress
from lepton_edge.client.aio import MAX_IN_FLIGHT, PATIENCE, AsyncClient
from lepton_edge.client.background import LoopThread
from lepton_edge.client.control import NO_WISHES
from lepton_edge.client.exchange import Input
from lepton_edge.client.feeding import Steps, ThreadedSource
from lepton_edge.client.retries import RETRIES
from lepton_edge.client.streaming import IN_FLIGHT, Item, OnError, check_source
from lepton_edge.client.transport import Transport
from lepton_edge.core.errors import InvalidInput, LeptonError, RequestError
from lepton_edge.core.keys import KeyCall
from lepton_edge.core.messages import LinkChange, Wishes
from lepton_edge.core.results import Result

T = TypeVar("T")


_OPEN: weakref.WeakSet[Client] = weakref.WeakSet()
"""Clients to be closed when the interpreter ends: after that their threads are frozen, and say no goodbye."""


class Client:
    """Asks models questions, and the coordinator for everything else; the methods are those of `AsyncClient`.

    One client may be used by many threads at once: they share its link, and each waits for its own answer.
    Close it, or use it in a `with` statement; a thread that still waits then gets Unavailable. It does not survive
    `os.fork()`: make one client per process.

    Args:
        address: see `AsyncClient`.
        key: see `AsyncClient`.
        insecure: see `AsyncClient`.
        transport: replaces the network, see `MockTransport`.
        max_in_flight: see `AsyncClient`.
        patience: see `AsyncClient`.
        retries: see `AsyncClient`.
        accept_degraded: see `AsyncClient`.
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
        self._loop = LoopThread()
        self._closed = False
        self._closing = threading.Lock()
        options: dict[str, Any] = {"max_in_flight": max_in_flight, "patience": patience, "retries": retries}
        options |= {"accept_degraded": accept_degraded, "key": key, "insecure": insecure}
        try:
            self._client = self._loop.run(_make(address, transport=transport, **options))
        except LeptonError:  # no key: there will be no client to stop it
            self._loop.stop(False)
            raise
        _OPEN.add(self)
        weakref.finalize(self, self._loop.stop, False).atexit = False  # one that was dropped leaves no thread

    def __enter__(self) -> Client:
        """Return the client itself; nothing is dialled before the first call."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the client."""
        self.close()

    def close(self) -> None:
        """Give back links and the thread; calls in flight end with Unavailable. Closing twice is fine."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self._loop.finish(self._client.close())
        self._loop.stop()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        if self._closed:
            work.close()
            raise RequestError("this client is closed", "make a new one")
        return self._loop.run(work)

    def infer(
        self,
        model: str,
        inputs: Mapping[str, Input],
        *,
        outputs: Sequence[str] = (),
        deadline: float | None = None,
        page: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> Result:
        """Run `model` on `inputs` and return its answer; see `AsyncClient.infer`."""
        return self._run(
            self._client.infer(
                model, inputs, outputs=outputs, deadline=deadline, page=page, metadata=metadata
            )
        )

    def stream(
        self,
        model: str,
        inputs: Iterable[Item],
        *,
        in_flight: int = IN_FLIGHT,
        ordered: bool = True,
        on_error: OnError = "raise",
        outputs: Sequence[str] = (),
        deadline: float | None = None,
        page: str = "",
    ) -> Generator[Result, None, None]:
        """Run `model` on every item of `inputs`, several at a time; iterate over the results with `for`.

        `inputs` is iterated over in a thread of its own, so that one that waits delays no result. Everything
        else is as of `AsyncClient.stream`. One thread at a time may step a stream.
        """
        if isinstance(inputs, AsyncIterable):
            raise InvalidInput("an asynchronous iterable needs a loop", "use AsyncClient.stream")
        check_source(inputs)
        source = ThreadedSource(inputs)
        results = self._client.stream(
            model,
            source,
            in_flight=in_flight,
            ordered=ordered,
            on_error=on_error,
            outputs=outputs,
            deadline=deadline,
            page=page,
        )
        return self._stepped(source, results)

    def _stepped(
        self, source: ThreadedSource[Item], results: AsyncGenerator[Result, None]
    ) -> Generator[Result, None, None]:
        steps = Steps(results)
        try:
            while (result := self._run(steps.next())) is not None:
                yield result
        finally:
            source.stop()
            self._loop.finish(steps.close())

    def push(
        self,
        name: str,
        path: str | Path,
        *,
        manifest: str | Path | None = None,
        samples: str | Path | None = None,
        shapes: Mapping[str, tuple[int, ...]] | None = None,
        bottlenecks: Sequence[str | Path] = (),
        variant_of: str = "",
        progress: OnProgress | None = None,
    ) -> dict[str, Any]:
        """Upload and compile a model; see `AsyncClient.push`. `progress` runs on the client's own thread."""
        return self._run(
            self._client.push(
                name, path, manifest=manifest, samples=samples, shapes=shapes, bottlenecks=bottlenecks,
                variant_of=variant_of, progress=progress,
            )
        )  # fmt: skip

    def deploy(
        self,
        name: str,
        *,
        keep_input_on_board: bool = False,
        dry_run: bool = False,
        page: str = "",
        devices: tuple[str, str] = ("", ""),
        wishes: Wishes = NO_WISHES,
        refresh: bool = False,
        queue: str = "",
        replicas: Sequence[str] = (),
        fixed: bool = False,
        canary: float = 0.0,
        canary_requests: int = 0,
        progress: OnProgress | None = None,
    ) -> dict[str, Any]:
        """Plan and activate a model; see `AsyncClient.deploy`. `progress` runs on the client's own thread."""
        return self._run(
            self._client.deploy(
                name,
                keep_input_on_board=keep_input_on_board,
                dry_run=dry_run,
                page=page,
                devices=devices,
                wishes=wishes,
                refresh=refresh,
                queue=queue,
                replicas=replicas,
                fixed=fixed,
                canary=canary,
                canary_requests=canary_requests,
                progress=progress,
            )
        )

    def pin(
        self,
        name: str,
        *,
        behind: str = "",
        page: str = "",
        dry_run: bool = False,
        board: str = "",
        progress: OnProgress | None = None,
    ) -> dict[str, Any]:
        """Run a model by another split or page, or by the best again; see `AsyncClient.pin`."""
        pinning = self._client.pin(
            name, behind=behind, page=page, dry_run=dry_run, board=board, progress=progress
        )
        return self._run(pinning)

    def what_if(
        self,
        name: str,
        *,
        link: LinkChange | None = None,
        speeds: Mapping[str, float] | None = None,
        wishes: Wishes = NO_WISHES,
        keep_input_on_board: bool | None = None,
        board: str = "",
        progress: OnProgress | None = None,
    ) -> dict[str, Any]:
        """Return what the plan would be if this were so; see `AsyncClient.what_if`."""
        return self._run(
            self._client.what_if(
                name,
                link=link,
                speeds=speeds,
                wishes=wishes,
                keep_input_on_board=keep_input_on_board,
                board=board,
                progress=progress,
            )
        )

    def explain(self, name: str, epoch: int = 0, *, board: str = "", privacy: bool = False) -> dict[str, Any]:
        """Return why the active plan of `name`, or that of a remembered epoch, is what it is."""
        return self._run(self._client.explain(name, epoch, board=board, privacy=privacy))

    def profile(
        self,
        name: str,
        *,
        measure: bool = True,
        refresh: bool = False,
        devices: Sequence[str] = (),
        progress: OnProgress | None = None,
    ) -> dict[str, Any]:
        """Return what was measured of `name`; see `AsyncClient.profile`."""
        asked = self._client.profile(
            name, measure=measure, refresh=refresh, devices=devices, progress=progress
        )
        return self._run(asked)

    def models(self) -> dict[str, Any]:
        """Return the pushed models."""
        return self._run(self._client.models())

    def model(self, name: str) -> dict[str, Any]:
        """Return one pushed model: its inputs, outputs, weights and deployments."""
        return self._run(self._client.model(name))

    def remove(self, name: str, *, dry_run: bool = False) -> dict[str, Any]:
        """Retire `name` on every device and delete it; or only say what that would end."""
        return self._run(self._client.remove(name, dry_run=dry_run))

    def move(
        self, name: str, source: str, target: str, *, board: str = "", progress: OnProgress | None = None
    ) -> dict[str, Any]:
        """Run on `target` what `source` runs of `name`; see `AsyncClient.move`."""
        return self._run(self._client.move(name, source, target, board=board, progress=progress))

    def roll_back(self, name: str, *, board: str = "", progress: OnProgress | None = None) -> dict[str, Any]:
        """Let the version of `name` before run again; see `AsyncClient.roll_back`."""
        return self._run(self._client.roll_back(name, board=board, progress=progress))

    def devices(self) -> dict[str, Any]:
        """Return the registered devices."""
        return self._run(self._client.devices())

    def drain(
        self, device: str, *, undo: bool = False, force: bool = False, progress: OnProgress | None = None
    ) -> dict[str, Any]:
        """Move what `device` runs elsewhere and place nothing new there; see `AsyncClient.drain`."""
        return self._run(self._client.drain(device, undo=undo, force=force, progress=progress))

    def remove_device(
        self, device: str, *, force: bool = False, progress: OnProgress | None = None
    ) -> dict[str, Any]:
        """Drain `device` and forget it; see `AsyncClient.remove_device`."""
        return self._run(self._client.remove_device(device, force=force, progress=progress))

    def events(
        self, *, since: int = 0, age: float = 0.0, model: str = "", device: str = "", kind: str = ""
    ) -> dict[str, Any]:
        """Return what changed; see `AsyncClient.events`."""
        return self._run(self._client.events(since=since, age=age, model=model, device=device, kind=kind))

    def follow_events(
        self, *, since: int = 0, age: float = 0.0, model: str = "", device: str = "", kind: str = ""
    ) -> Generator[dict[str, Any], None, None]:
        """Yield what changed and what changes; see `AsyncClient.follow_events`. Leaving ends it."""
        told = self._client.follow_events(since=since, age=age, model=model, device=device, kind=kind)
        return self._each(told)

    def _each(self, told: AsyncGenerator[T, None]) -> Generator[T, None, None]:
        steps = Steps(told)
        try:
            while (one := self._run(steps.next())) is not None:
                yield one
        finally:
            self._loop.finish(steps.close())

    def administer(self, call: KeyCall) -> dict[str, Any]:
        """Ask about tokens, devices that wait, and keys; see `AsyncClient.administer`."""
        return self._run(self._client.administer(call))

    def status(self) -> dict[str, Any]:
        """Return everything that fits on one screen."""
        return self._run(self._client.status())


async def _make(address: str | None, **options: Any) -> AsyncClient:
    """Make the client on the loop that will run it (Python 3.10 binds locks there at first use)."""
    return AsyncClient(address, **options)


@atexit.register
def _close_all() -> None:
    for client in list(_OPEN):
        client.close()
