"""Which fault strikes when: as many of each kind as are asked for, in an order that a seed gives.

Law: pure, and the same for the same seed. What a kind does is `faults`' affair.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

FEWEST = 10
"""Times that every kind strikes, where there is room for it."""
SPARE = 2
"""So often more, for those that may not bite."""
TOGETHER = 0.12
"""What part of the faults come while another one lasts."""


@dataclass(frozen=True)
class Kind:
    """A kind of fault: who may be its victim, how long it lasts (seconds, from, to), how often it comes.

    `part` is where in a request's life it strikes: "board", "link", "cloud", "any". `light` ones may come while another
    one lasts; `sure` ones always bite, and take long: they come as often as they must and no more.
    """

    name: str
    victims: tuple[str, ...]
    shortest: float
    longest: float
    weight: int
    part: str = "any"
    light: bool = False
    sure: bool = False

    @property
    def least(self) -> int:
        """Return how often it strikes at least."""
        return FEWEST if self.sure else FEWEST + SPARE


@dataclass(frozen=True)
class Fault:
    """One fault: `moment` is where in the victim's part of the request it strikes, 0 to 1."""

    index: int
    kind: str
    victim: str
    lasts: float
    moment: float
    part: str
    beside: Fault | None = None


def kinds(
    boards: Sequence[str], clouds: Sequence[str], witnesses: Sequence[str], secure: bool = False
) -> list[Kind]:
    """Return every kind of fault for these victims; `weight` is in hundredths of what is left after that.

    Where everybody proves who it is (`secure`), there are those of certificates, tokens and keys as well.
    """
    boards, clouds, clients = tuple(boards), tuple(clouds), tuple(witnesses)
    coordinator = ("coordinator",)
    return [
        Kind("kill cloud", clouds, 0.1, 1.0, 6, "cloud"),
        Kind("kill board", boards, 0.1, 1.0, 6, "board"),
        Kind("kill coordinator", coordinator, 0.1, 1.0, 2),
        Kind("kill client", clients, 0.1, 0.3, 4),
        Kind("cut link", clouds, 0.1, 2.0, 20, "link", light=True),
        Kind("swallow", clouds, 0.3, 4.0, 16, "link", light=True),
        Kind("slow link", clouds, 0.5, 4.0, 12, "link", light=True),
        Kind("freeze cloud", clouds, 0.3, 6.0, 12, "cloud", light=True),
        Kind("freeze board", boards, 0.3, 6.0, 10, "board", light=True),
        Kind("freeze coordinator", coordinator, 0.3, 6.0, 4, light=True),
        Kind("freeze client", clients, 0.3, 3.0, 6, light=True),
        Kind("full disk", (*boards, *clouds), 0.1, 0.5, 0),
        Kind("full disk of coordinator", coordinator, 0.1, 0.5, 0, sure=True),
        Kind("no memory", (*boards, *clouds), 0.1, 0.5, 0),
        Kind("second coordinator", coordinator, 0.1, 0.5, 0),
        Kind("coordinator of a backup", coordinator, 1.0, 3.0, 0, sure=True),
        Kind("old epoch returns", clouds, 0.1, 0.5, 0, "cloud", sure=True),
        Kind("board alone", boards, 0.1, 0.5, 0, "board", sure=True),
        Kind("new version", boards, 0.0, 0.1, 0, "board", sure=True),
        Kind("deploy while killed", coordinator, 0.1, 1.5, 0),
        Kind("pin", boards, 0.1, 0.5, 0, "board", sure=True),
        Kind("drain", clouds, 0.1, 0.5, 0, "board", sure=True),
        Kind("move", clouds, 0.1, 0.5, 0, "cloud", sure=True),
        Kind("clock jumps", (*coordinator, *boards, *clouds), 0.5, 4.0, 4, light=True),
        Kind("boots a day early", (*coordinator, *boards, *clouds), 0.1, 0.5, 0, sure=True),
        *(_of_papers(boards, clouds) if secure else ()),
    ]


def _of_papers(boards: tuple[str, ...], clouds: tuple[str, ...]) -> list[Kind]:
    return [
        Kind("certificate renewed", (*boards, *clouds), 0.1, 0.5, 0, sure=True),
        Kind("joined anew", (*boards, *clouds), 0.1, 0.5, 0, sure=True),
        Kind("token revoked", boards, 0.1, 0.3, 0, sure=True),
        Kind("key revoked while it asks", boards, 0.1, 0.5, 0, "board", sure=True),
        Kind("killed while one joins", ("coordinator",), 0.1, 1.0, 0, sure=True),
    ]


def schedule(seed: int, count: int, of: Sequence[Kind]) -> list[Fault]:
    """Return about `count` faults, each kind at least `least` times where `count` allows, some at once."""
    draw = random.Random(seed)
    names = [kind for kind in of for _ in range(min(kind.least, count // len(of)))]
    rest = count - len(names)
    names += draw.choices(of, [kind.weight for kind in of], k=rest) if rest > 0 else []
    draw.shuffle(names)
    made = [_fault(draw, index, kind) for index, kind in enumerate(names)]
    return _together(draw, made, {kind.name for kind in of if kind.light})


def _fault(draw: random.Random, index: int, kind: Kind) -> Fault:
    lasts = kind.shortest * (kind.longest / kind.shortest) ** draw.random() if kind.shortest else kind.longest
    return Fault(index, kind.name, draw.choice(kind.victims), lasts, draw.uniform(0.15, 0.85), kind.part)


def _together(draw: random.Random, faults: list[Fault], light: set[str]) -> list[Fault]:
    """Put some light faults beside the fault before them, where they strike at another victim."""
    made: list[Fault] = []
    for fault in faults:
        last = made[-1] if made else None
        fits = last is not None and last.beside is None and last.kind in light and last.victim != fault.victim
        if last is not None and fits and fault.kind in light and draw.random() < TOGETHER * 3:
            made[-1] = Fault(**{**vars(last), "beside": fault})
        else:
            made.append(fault)
    return made
