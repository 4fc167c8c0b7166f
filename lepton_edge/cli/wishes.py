"""What the options that wish for a plan mean.

Law: words in, `Wishes` out; units of people (ms, MB, %) become those of the house (seconds, bytes, fractions). What a
person cannot mean is refused here, with the range and an example; what this model or these devices cannot do, the
planner refuses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lepton_edge.core.calls import LinkChange, Wishes
from lepton_edge.core.errors import UsageError
from partitioner.units import Bytes, TensorName

OBJECTIVES = ("latency", "throughput", "energy", "egress")
MEGABYTE = 1e6
MOST_BYTES = 2**53  # what a float64 counts exactly
MEGABIT = 1e6 / 8  # bytes
_SIZES = {"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


@dataclass(frozen=True)
class _Range:
    """What a number may be: from `least` to `most` of a unit, and 0 too where that means something.

    What lies between 0 and `least` is nobody's wish, and a reciprocal of it is none of a machine's numbers.
    """

    least: float
    most: float
    unit: str
    example: str
    zero: bool = True

    def __contains__(self, number: float) -> bool:
        return self.least <= number <= self.most or (self.zero and number == 0)

    def __str__(self) -> str:
        return f"{'0' if self.zero else _plain(self.least)} to {_plain(self.most)} {self.unit}"


_RANGES = {
    "--objective": _Range(1e-9, 1e9, "as a price", "--objective latency=1,energy=0.2"),
    "--min-throughput": _Range(1e-6, 1e6, "requests a second", "--min-throughput 5"),
    "--max-latency": _Range(1e-3, 1e8, "ms", "--max-latency 40", zero=False),
    "--max-energy": _Range(1e-9, 1e9, "joules", "--max-energy 0.5", zero=False),
    "--max-loss": _Range(1e-6, 100.0, "%", "--max-loss 1", zero=True),
    "--first-layers": _Range(1, 1e6, "layers", "--first-layers 3"),
    "--watts": _Range(1e-3, 1e6, "watts", "--watts board=5"),
    "--link": _Range(1e-6, 1e7, "Mbit/s, and milliseconds one way", "--link 5.85,25"),
    "--device": _Range(1e-6, 1e6, "times as fast", "--device 'board*2'", zero=False),
}


def _plain(number: float) -> str:
    """Return a number without a power of ten: "0.001", "1,000,000"."""
    return f"{number:,.0f}" if number >= 1 else f"{number:.9f}".rstrip("0")


def read_wishes(given: Mapping[str, Any]) -> Wishes:
    """Return the wishes that the options `given`, by parameter name, express.

    Raises:
        UsageError: an option that cannot be followed.
    """
    watts = _by_role("--watts", given.get("watts"), ("board", "cloud", "radio"))
    memory = _by_role("--memory", given.get("memory"), ("board", "cloud"))
    lacks = _lists_by_role("--lacks", given.get("lacks"), ("board", "cloud"))
    variant = _by_role("--variant", given.get("variant"), ("board", "cloud"))
    egress, objective = given.get("max_egress"), given.get("objective")
    prices = {} if objective is None else read_objective(objective)
    return Wishes(
        prices.get("latency", 0.0),
        prices.get("throughput", 0.0),
        prices.get("energy", 0.0),
        prices.get("egress", 0.0),
        min_throughput=_number("--min-throughput", given.get("min_throughput"), 0.0),
        max_latency=_number("--max-latency", given.get("max_latency"), -1.0, 1e-3),
        max_energy=_number("--max-energy", given.get("max_energy"), -1.0),
        max_egress=-1.0 if egress is None else float(read_size("--max-egress", egress)),
        max_loss=_number("--max-loss", given.get("max_loss"), -1.0, 1e-2),
        keep_output=bool(given.get("keep_output")),
        stay=_names("--stay", given.get("stay")),
        first_layers=int(_number("--first-layers", given.get("first_layers"), 0)),
        board_memory=_memory(memory.get("board")),
        cloud_memory=_memory(memory.get("cloud")),
        board_watts=_float("--watts", watts.get("board", "0")),
        cloud_watts=_float("--watts", watts.get("cloud", "0")),
        radio_watts=_float("--watts", watts.get("radio", "0")),
        board_lacks=lacks["board"],
        cloud_lacks=lacks["cloud"],
        board_variant=variant.get("board", ""),
        cloud_variant=variant.get("cloud", ""),
    )


def read_objective(given: str) -> dict[str, float]:
    """Return prices per second, second, joule and byte of "throughput" or "latency=1,egress=0.01".

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
    if not any(prices.values()):
        raise UsageError(
            f"--objective {given!r}: nothing is wished for",
            "give one of them, or a price above 0: --objective throughput, --objective latency=1,energy=0.2",
        )
    return prices


def read_size(option: str, given: str) -> Bytes:
    """Return the bytes of "256MB", "1.5 GB", "64MiB" or "4096".

    Raises:
        UsageError: it is no size.
    """
    found = _SIZE.fullmatch(given.strip())
    if found is None or found[2].upper() not in _SIZES:
        raise UsageError(
            f"{option}: {given!r} is no size",
            "write bytes, or a number with kB, MB, GB, MiB, GiB: 20kB, 1.5MB",
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
        raise UsageError(
            f"--link {given}: not a link",
            "write UP,DELAY or UP,DOWN,DELAY: Mbit/s above 0, ms one way, such as --link 5.85,25",
        )
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


def _names(option: str, given: list[str] | None) -> tuple[TensorName, ...]:
    if not all(name.strip() for name in given or ()):
        raise UsageError(f"{option}: of which tensor?", f"name one: {option} features/0")
    return tuple(TensorName(name) for name in given or ())


def _memory(given: str | None) -> Bytes:
    """Return the bytes of a size, 0 where none was given: then a device has what it told."""
    size = Bytes(0) if given is None else read_size("--memory", given)
    if given is not None and not size:
        raise UsageError("--memory cannot be nothing", "give a size above 0, such as --memory board=256MB")
    return size


def _number(option: str, given: float | None, default: float, unit: float = 1.0) -> float:
    if given is None:
        return default
    wanted = _RANGES[option]
    if given not in wanted:
        raise UsageError(f"{option} cannot be {given:g}", f"give {wanted}, such as {wanted.example}")
    return given * unit


def _float(option: str, given: str) -> float:
    try:
        number = float(given)
    except ValueError as error:
        example = _RANGES[option].example
        raise UsageError(f"{option}: {given!r} is no number", f"write one, such as {example}") from error
    return _number(option, number, 0.0)
