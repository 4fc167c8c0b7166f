"""The options by which a person wishes for a plan, and what they mean.

Law: words in, `Wishes` out; units of people (ms, MB, %) become those of the house (seconds, bytes, fractions). What a
wish does to a plan, the planner knows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from lepton_edge.core.calls import LinkChange, Wishes
from lepton_edge.core.errors import UsageError
from partitioner.units import Bytes, TensorName

OBJECTIVES = ("latency", "throughput", "energy", "egress")
MEGABYTE = 1e6
MOST = 1e12  # of anything that a person writes; and a number above 0 is not below its inverse
MOST_BYTES = 2**53  # what a float64 counts exactly
MEGABIT = 1e6 / 8  # bytes
_SIZES = {"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")
_PANEL = "What the plan shall be good at, and what it may cost"
_STAY = "What stays on the board"


def _option(*names: str, shown: str = "", text: str, panel: str = _PANEL) -> Any:
    return typer.Option(*names, metavar=shown or None, help=text, rich_help_panel=panel)


Objective = Annotated[
    str,
    _option(
        "--objective",
        shown="WHAT|WHAT=PRICE,...",
        text="latency, throughput, energy or egress; or a sum of prices such as latency=1,energy=0.2: per second "
        "of latency, per second of the busiest device or link (throughput), per joule, per megabyte sent (egress).",
    ),
]
MinThroughput = Annotated[
    float | None, _option("--min-throughput", shown="N", text="Requests a second, at least.")
]
MaxLatency = Annotated[
    float | None, _option("--max-latency", shown="MS", text="Milliseconds of one request, at most.")
]
MaxEnergy = Annotated[
    float | None, _option("--max-energy", shown="J", text="Joules of one request, at most (needs --watts).")
]
MaxEgress = Annotated[
    str, _option("--max-egress", shown="SIZE", text="Bytes sent for one request, at most: 20kB, 1.5MB.")
]
MaxLoss = Annotated[
    float | None, _option("--max-loss", shown="%", text="Loss of all codecs together, at most; 0: lossless.")
]
KeepInput = Annotated[
    bool,
    _option(
        "--keep-input-on-board",
        text="Neither the input nor what gives it away leaves the board.",
        panel=_STAY,
    ),
]
SupposeInput = Annotated[
    bool | None,
    _option(
        "--keep-input-on-board/--no-keep-input-on-board",
        text="Whether the input, and what gives it away, may leave the board; as it is for the active plan.",
        panel=_STAY,
    ),
]
KeepOutput = Annotated[
    bool, _option("--keep-output-on-board", text="The outputs are made on the board.", panel=_STAY)
]
Stay = Annotated[
    list[str] | None,
    _option("--stay", shown="TENSOR", text="This tensor does not leave the board. Repeatable.", panel=_STAY),
]
FirstLayers = Annotated[
    int, _option("--first-layers", shown="K", text="The first K layers run on the board.", panel=_STAY)
]
Watts = Annotated[
    list[str] | None,
    _option(
        "--watts",
        shown="board=W|cloud=W|radio=W",
        text="Power while busy, declared by you: of a device, of the board's radio. Repeatable.",
    ),
]
Memory = Annotated[
    list[str] | None,
    _option(
        "--memory", shown="board=SIZE|cloud=SIZE", text="Memory for this model, such as 256MB. Repeatable."
    ),
]
Lacks = Annotated[
    list[str] | None,
    _option(
        "--lacks",
        shown="board=OPERATOR|cloud=OPERATOR",
        text="An operator, such as Resize, that the device cannot run. Repeatable.",
    ),
]
NoMeasure = Annotated[
    bool,
    typer.Option("--no-measure", help="Take estimates where nothing was measured; they are marked as such."),
]


def read_wishes(given: Mapping[str, Any]) -> Wishes:
    """Return the wishes that the options `given`, by parameter name, express.

    Raises:
        UsageError: an option that cannot be followed.
    """
    watts = _by_role("--watts", given.get("watts"), ("board", "cloud", "radio"))
    memory = _by_role("--memory", given.get("memory"), ("board", "cloud"))
    lacks = _lists_by_role("--lacks", given.get("lacks"), ("board", "cloud"))
    egress = given.get("max_egress") or ""
    prices = read_objective(given.get("objective") or "")
    return Wishes(
        prices.get("latency", 0.0),
        prices.get("throughput", 0.0),
        prices.get("energy", 0.0),
        prices.get("egress", 0.0),
        min_throughput=_number("--min-throughput", given.get("min_throughput"), 0.0),
        max_latency=_number("--max-latency", given.get("max_latency"), -1.0, 1e-3),
        max_energy=_number("--max-energy", given.get("max_energy"), -1.0),
        max_egress=float(read_size("--max-egress", egress)) if egress else -1.0,
        max_loss=_number("--max-loss", given.get("max_loss"), -1.0, 1e-2),
        keep_output=bool(given.get("keep_output")),
        stay=tuple(TensorName(name) for name in given.get("stay") or ()),
        first_layers=int(_number("--first-layers", given.get("first_layers"), 0)),
        measure=not given.get("no_measure"),
        board_memory=read_size("--memory", memory.get("board", "0")),
        cloud_memory=read_size("--memory", memory.get("cloud", "0")),
        board_watts=_float("--watts", watts.get("board", "0")),
        cloud_watts=_float("--watts", watts.get("cloud", "0")),
        radio_watts=_float("--watts", watts.get("radio", "0")),
        board_lacks=lacks["board"],
        cloud_lacks=lacks["cloud"],
    )


def read_objective(given: str) -> dict[str, float]:
    """Return prices per second, second, joule and byte of "throughput" or "latency=1,egress=0.01"; {} of "".

    Raises:
        UsageError: an unknown objective, or a price that is none.
    """
    prices: dict[str, float] = {}
    for part in filter(None, (one.strip() for one in given.split(","))):
        name, _, price = part.partition("=")
        if name not in OBJECTIVES or name in prices:
            raise UsageError(
                f"--objective {given}: what is {part!r}?", f"write {', '.join(OBJECTIVES)}, each once"
            )
        prices[name] = _float("--objective", price or "1") / (MEGABYTE if name == "egress" else 1.0)
    if given and not any(prices.values()):
        raise UsageError(f"--objective {given}: nothing is wished for", "give one of them a price above 0")
    return prices


def read_size(option: str, given: str) -> Bytes:
    """Return the bytes of "256MB", "1.5 GB", "64MiB" or "4096".

    Raises:
        UsageError: it is no size.
    """
    found = _SIZE.fullmatch(given.strip())
    if found is None or found[2].upper() not in _SIZES:
        raise UsageError(
            f"{option}: {given!r} is no size", "write bytes, or a number with kB, MB, GB, MiB, GiB"
        )
    size = float(found[1]) * _SIZES[found[2].upper()]
    if size > MOST_BYTES:
        raise UsageError(f"{option}: {given:.20} is more than there is", "give 9 PB at most")
    return Bytes(round(size))


def read_link(given: str) -> LinkChange:
    """Return the link of "UP", "UP,DELAY" or "UP,DOWN,DELAY": Mbit/s, and milliseconds one way.

    Raises:
        UsageError: it is not written so, or a rate is not above 0.
    """
    numbers = [_float("--link", one) for one in given.split(",")]
    if len(numbers) > 3 or numbers[0] <= 0 or (len(numbers) == 3 and numbers[1] <= 0):
        raise UsageError(f"--link {given}: not a link", "write UP,DELAY or UP,DOWN,DELAY: Mbit/s, ms one way")
    up, down = numbers[0], numbers[1] if len(numbers) == 3 else numbers[0]
    delay = numbers[-1] * 1e-3 if len(numbers) > 1 else -1.0
    return LinkChange(up * MEGABIT, down * MEGABIT, delay)


def read_speed(given: str) -> tuple[str, float]:
    """Return (device, times as fast) of "board*2", "cloud*0.5" or "NAME*3".

    Raises:
        UsageError: it is not written so.
    """
    name, star, times = given.rpartition("*")
    if not star or not name or _float("--device", times) <= 0:
        raise UsageError(
            f"--device {given}: not a device and a speed", "write --device 'board*2' for twice as fast"
        )
    return name, float(times)


def _by_role(option: str, given: list[str] | None, roles: tuple[str, ...]) -> dict[str, str]:
    """Return the last value of each role that has one."""
    return {role: said[-1] for role, said in _lists_by_role(option, given, roles).items() if said}


def _lists_by_role(
    option: str, given: list[str] | None, roles: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    """Return the values of each role of "ROLE=VALUE" words."""
    found: dict[str, tuple[str, ...]] = dict.fromkeys(roles, ())
    for one in given or ():
        role, _, value = one.partition("=")
        if role not in roles or not value:
            wanted = " or ".join(f"{option} {role}=..." for role in roles)
            raise UsageError(f"{option} {one}: whose is it?", f"write {wanted}")
        found[role] += (value,)
    return found


def _number(option: str, given: float | None, default: float, unit: float = 1.0) -> float:
    if given is None:
        return default
    if not (math.isfinite(given) and given >= 0):
        raise UsageError(f"{option} cannot be {given:g}", "give a number that is not negative")
    if given and not 1 / MOST <= given <= MOST:
        raise UsageError(
            f"{option} cannot be {given:g}", f"give 0, or a number between {1 / MOST:g} and {MOST:g}"
        )
    return given * unit


def _float(option: str, given: str) -> float:
    try:
        number = float(given)
    except ValueError as error:
        raise UsageError(f"{option}: {given!r} is no number", "write one, such as 2.5") from error
    return _number(option, number, 0.0)
