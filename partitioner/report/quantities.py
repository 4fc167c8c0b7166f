"""Numbers in a person's units: "61.0 ms", "5.85 Mbit/s", "14.8 kB".

Law: numbers in, words out; nothing of a plan.
"""

from __future__ import annotations


def milliseconds(seconds: float) -> str:
    """Return "61.0 ms"; seconds from ten on."""
    return f"{seconds * 1e3:.1f} ms" if seconds < 10 else f"{digits(seconds)} s"


def megabits(rate: float) -> str:
    """Return "5.85 Mbit/s" for a rate in bytes per second, "9.412 Gbit/s" above 1000 Mbit/s; 4 digits at most."""
    return f"{digits(rate * 8 / 1e9)} Gbit/s" if rate * 8 > 1e9 else f"{digits(rate * 8 / 1e6)} Mbit/s"


def digits(number: float, count: int = 4) -> str:
    """Return `number` rounded to `count` significant digits, never as a power of ten where there is no need."""
    rounded = float(f"{number:.{count}g}")
    return f"{rounded:.0f}" if rounded >= 1000 else f"{rounded:g}"


def size(count: float) -> str:
    """Return "14.8 kB"; decimal, as links are."""
    if count < 1000:
        return f"{count:.0f} B"
    if count < 1_000_000:
        return f"{count / 1e3:.1f} kB"
    return f"{count / 1e6:.1f} MB" if count < 1_000_000_000 else f"{count / 1e9:.2f} GB"


def per_second(rate: float | None) -> str:
    """Return "9.6/s"; a dash where it is unknown or endless."""
    return "–" if rate is None else f"{digits(rate, 3)}/s"


def joules(energy: float | None) -> str:
    """Return "0.412 J"; a dash where no watts were declared."""
    return "–" if not energy else f"{digits(energy, 3)} J"


def percent(fraction: float) -> str:
    """Return "3.1 %"."""
    return f"{fraction * 100:.1f} %"


def sentence(text: str) -> str:
    """Return `text` with a capital and a full stop; empty stays empty."""
    text = text.strip()
    stop = "" if text.endswith((".", "!", "?")) else "."
    return text[:1].upper() + text[1:] + stop if text else ""
