"""The demo, act by act: real processes, a shaped link, real weights, real photographs.

Law: it is a user. It starts programs, talks to them through the client SDK, and reports what it saw.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples.demo.measure import Timing, Way, application_way, measure, page_way
from examples.demo.prepare import Ingredients, prepare
from examples.demo.processes import LTE, THREE_G, WIFI, Conditions, Town, free_port
from examples.thirty_lines.app import Application, Settings
from examples.thirty_lines.quantize import quantize
from lepton_edge.client import Client
from lepton_edge.core.errors import LeptonError
from lepton_edge.core.results import Result

MODEL = "mobilenetv2"
BOARD_ALONE = 0.240
"""Seconds that the slowed board shall take for a request alone."""
CORRECTIONS = 4
"""So often at most is the board measured before an act; between, its slowdown is corrected."""
NEAR_ENOUGH = 0.08
PICTURES = ("coffee", "camera")
EXPECTED = {"coffee": "espresso", "camera": "tripod"}
APPLICATION, APPLICATION_LOCAL = "30-line application", "30-line application, int8 on the board"

Say = Callable[[str], None]


def _slowed(result: Result) -> float:
    """Return the seconds of a request that --simulate-slow multiplies: what the board's engine did."""
    return sum(hop.decode + hop.compute + hop.encode for hop in result.hops if hop.device == "board")


def _wait_until_it_serves(client: Client, picture: bytes, seconds: float = 20.0) -> None:
    """An agent that has just started says so, as a retryable error, until its models are open again."""
    end = time.monotonic() + seconds
    while not _serves(client, picture, retry=time.monotonic() < end):
        time.sleep(0.2)


def _serves(client: Client, picture: bytes, *, retry: bool) -> bool:
    try:
        client.infer(MODEL, {"input": picture}, page="local")
    except LeptonError as error:
        if error.retryable and retry:
            return False
        raise
    return True


@dataclass
class Act:
    """One setting of the link, what was planned for it, and what was measured."""

    title: str
    conditions: Conditions
    keep_input: bool
    plan: dict[str, Any]
    timings: dict[str, Timing]

    def best_measured(self) -> str:
        """Return the eligible page that was measured fastest."""
        eligible: set[str] = {row["page"] for row in self.plan["candidates"] if row["eligible"]}
        return min(eligible & self.timings.keys(), key=lambda page: self.timings[page].median)


@dataclass
class Loss:
    """The last act: what became of the request that was in flight when the cloud was killed."""

    result: Result
    answer: str
    usual: float
    killed_after: float


class Journey:
    """One run of the demo in `directory`; `say` is told what happens next."""

    def __init__(self, town: Town, directory: Path, say: Say) -> None:
        self.town, self.directory, self.say = town, directory, say
        self.slowdown = 1.0
        self.native = self.alone = 0.0

    def _client(self, address: str) -> Client:
        key = self.town.key
        return Client(address, key=key) if key else Client(address, insecure=True)

    def set_up(self) -> None:
        """Prepare model and pictures, start every process, find K, push the model."""
        self.say("building MobileNetV2 with its ImageNet weights, cutting sample pictures")
        self.things: Ingredients = prepare(self.directory / "ingredients")
        self.pictures = {
            path.stem: path.read_bytes() for path in self.things.pictures if path.stem in PICTURES
        }
        self.labels = self.things.labels.read_text(encoding="utf-8").splitlines()
        self.say("starting a coordinator, a cloud agent behind a shaped link, and a board agent")
        self.coordinator = self.town.coordinator()
        cloud_port, shaped_port = free_port(), free_port()
        self.link = self.town.link("link", shaped_port, cloud_port, WIFI)
        shaped = f"127.0.0.1:{shaped_port}"
        self.town.agent("cloud", self.coordinator, ["--port", str(cloud_port), "--advertise", shaped])
        board = self._board()
        with self._client(self.coordinator) as client:
            self.say("pushing the model: optimise, find every legal cut, measure what each codec loses")
            client.push(
                MODEL, self.things.model, manifest=self.things.manifest, samples=self.things.samples[0].parent
            )
        self._find_slowdown(board)

    def _board(self) -> str:
        extra = ["--port", str(free_port())]
        if self.slowdown > 1:
            extra += ["--simulate-slow", f"{self.slowdown:.2f}"]
        return self.town.agent("board", self.coordinator, extra)

    def _find_slowdown(self, board: str) -> None:
        self.say("measuring the board at its own speed, to choose how much slower to simulate it")
        self.deploy(page="local")
        self.board = board
        self.native, _ = self._alone(12)
        self._correct()

    def _correct(self) -> None:
        """Restart the board with another slowdown until alone it takes about what it shall, or patience ends.

        Done before every act: machines such as this change their speed for minutes at a time. Board alone is
        deployed for it: only the page that requests take runs in one piece, as it will where it is chosen.
        """
        self.deploy(page="local")
        for left in reversed(range(CORRECTIONS)):
            self.alone, engine = self._alone(6)
            if not left or abs(self.alone - BOARD_ALONE) <= NEAR_ENOUGH * BOARD_ALONE:
                break
            # The slowdown multiplies the engine's share of what a request takes now.
            self.slowdown = round(self.slowdown * max((BOARD_ALONE - (self.alone - engine)) / engine, 0.1), 2)
            self.say(
                f"board alone: {self.alone * 1e3:.1f} ms; restarting it {self.slowdown:g}x slower (simulated)"
            )
            self.town.children["board"].stop()
            self.board = self._board()
            with self._client(self.coordinator) as client:
                client.drain("board", undo=True)  # starting it anew so often is no flapping: no quarantine

    def _alone(self, requests: int) -> tuple[float, float]:
        """Return the median seconds of a request on the board alone, and of those what its engine took."""
        with self._client(self.board) as client:
            _wait_until_it_serves(client, self.pictures["coffee"])
            asked = [
                client.infer(MODEL, {"input": self.pictures["coffee"]}, page="local") for _ in range(requests)
            ]
        whole = statistics.median(one.latency for one in asked[2:])
        return whole, statistics.median(_slowed(one) for one in asked[2:])

    def start_application(self) -> None:
        """Quantize the 30-line application's model; start its server behind a link like the product's."""
        self.say("quantizing the 30-line application's model to int8 and starting its server")
        model = self.things.model.with_name("mobilenetv2_int8.onnx")
        quantize(self.things.model, self.things.samples, model)
        port, shaped = free_port(), free_port()
        folder = str(self.directory / "ingredients")
        command = ["-m", "examples.thirty_lines.server", folder, "--port", str(port)]
        self.server = self.town.python("application-server", command)
        self.server.wait_for('{"listening"')
        self.application_link = self.town.link("application-link", shaped, port, WIFI)
        self.int8, self.application_address = model, f"127.0.0.1:{shaped}"

    def _applications(self) -> tuple[Application, Application]:
        """Return the 30-line application with its server and without, on a board as slow as the product's."""
        there = Settings(self.application_address, timeout=0.5, simulate_slow=self.slowdown)
        here = Settings(None, simulate_slow=self.slowdown)
        return Application(self.int8, there), Application(self.int8, here)

    def deploy(self, *, keep_input: bool = False, page: str = "") -> dict[str, Any]:
        """Deploy the model; return the plan document."""
        with self._client(self.coordinator) as client:
            client.deploy(MODEL, keep_input_on_board=keep_input, page=page)
            return client.explain(MODEL)

    def act(self, title: str, conditions: Conditions, *, keep_input: bool = False) -> Act:
        """Set the link, let the product plan, then measure every page of its book and the application."""
        self.say(
            f"{title}: setting the link to {conditions.rate:g} Mbit/s, {conditions.delay:g} ms; "
            "measuring, planning"
        )
        for link in (self.link, self.application_link):
            link.tell(conditions.spec)
        self._correct()
        plan = self.deploy(keep_input=keep_input)
        self.say(f"{title}: the plan is {plan['page']}; asking every page and the application in turn")
        with self._client(self.board) as client:
            timings = measure(self._ways(client, plan, keep_input), self.pictures)
        return Act(title, conditions, keep_input, plan, timings)

    def _ways(self, client: Client, plan: dict[str, Any], keep_input: bool) -> dict[str, Way]:
        pages = [
            row["page"]
            for row in plan["candidates"]
            if row["in_book"] and (row["eligible"] or not keep_input)
        ]
        ways = {page: page_way(client, MODEL, page) for page in pages}
        asking, alone = self._applications()
        if not keep_input:
            ways[APPLICATION] = application_way(asking, self.labels)
        ways[APPLICATION_LOCAL] = application_way(alone, self.labels)
        return ways

    def kill_the_cloud(self, plan: dict[str, Any]) -> Loss:
        """Kill -9 the cloud agent while a request is on its way to it; return what the client got."""
        row = next(row for row in plan["candidates"] if row["page"] == plan["page"])
        # On a slow link the frontier is on its way for long: the moment need not be hit to the millisecond.
        self.link.tell(THREE_G.spec)
        seconds_on_the_way = row["predicted"]["bytes_up"] * 8.4e-6 / THREE_G.rate + THREE_G.delay / 1e3
        moment = row["predicted"]["board"] + 0.5 * seconds_on_the_way
        self.say(
            f"killing the cloud agent {moment * 1e3:.0f} ms into a request on {plan['page']}, on a 3G link"
        )
        got: list[Result] = []
        with self._client(self.board) as client:
            usual = client.infer(MODEL, {"input": self.pictures["coffee"]}).latency
            asking = threading.Thread(
                target=lambda: got.append(client.infer(MODEL, {"input": self.pictures["coffee"]}))
            )
            asking.start()
            time.sleep(moment)
            self.town.children["cloud"].kill()
            asking.join(30)
        if not got:
            raise RuntimeError("the request that was in flight got no answer: see the agents' logs")
        return Loss(got[0], got[0].labels[0].label, usual, moment)

    def acts(self) -> Iterator[Act]:
        """Run every act but the last."""
        for one in (WIFI, LTE, THREE_G):
            yield self.act(one.name, one)
        yield self.act("LTE, input kept on the board", LTE, keep_input=True)
