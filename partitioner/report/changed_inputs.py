"""Which inputs of a decision differ between two documents: link, devices, limits, wishes, versions.

Law: reads documents, whatever of them there is; judges nothing. An input is {"what", "kind", "key", "before",
"after", "words"}; `kind` and `key` are for machines. A figure that moved by less than `LEAST` is noise, not a
change.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from partitioner.report.amounts import objective_of
from partitioner.report.quantities import digits, megabits, milliseconds, size

Document = dict[str, Any]

LEAST = 0.01
LINK_RATES = (("up", "rate of the link up"), ("down", "rate of the link down"))
LINK_DELAYS = (("delay_up", "delay of the link up"), ("delay_down", "delay of the link down"))
PLAIN = (
    ("version", "version of the model"),
    ("limits", "limits"),
    ("wishes", "wishes"),
)


def changed_inputs(old: Document, new: Document) -> list[Document]:
    """Return every input that changed, in the order in which a person asks."""
    return [
        *_link(old.get("link"), new.get("link")),
        *_devices(old, new),
        *_memory(old, new),
        *_plain(old, new),
    ]


def _link(old: Document | None, new: Document | None) -> Iterator[Document]:
    if old is None or new is None:
        if old is not new:
            words = "there was no link before" if old is None else "there is no link any more"
            yield _input("link", "link", ("", old is not None, new is not None), words)
        return
    for key, what in LINK_RATES:
        if _moved(old[key], new[key]):
            yield _input(
                what, "link", (key, old[key], new[key]), f"{megabits(old[key])} -> {megabits(new[key])}"
            )
    for key, what in LINK_DELAYS:
        if _moved(old[key], new[key]):
            words = f"{milliseconds(old[key])} -> {milliseconds(new[key])}"
            yield _input(what, "link", (key, old[key], new[key]), words)


def _by_role(document: Document, section: str) -> dict[str, Document]:
    return {one["role"]: one for one in document.get(section) or []}


def _devices(old: Document, new: Document) -> Iterator[Document]:
    before, after = _by_role(old, "devices"), _by_role(new, "devices")
    for role in sorted(before.keys() | after.keys()):
        if role not in before or role not in after:
            words = f"no {role} before" if role not in before else f"the {role} is gone"
            yield _input(role, "presence", (role, role in before, role in after), words)
            continue
        yield from _device(role, before[role], after[role])


def _device(role: str, old: Document, new: Document) -> Iterator[Document]:
    if old["device"] != new["device"]:
        words = f"{old['device']} -> {new['device']}"
        yield _input(f"device of the {role}", "device", (role, old["device"], new["device"]), words)
    if _moved(old["whole"], new["whole"]):
        faster = old["whole"] / new["whole"]
        how = f"{digits(max(faster, 1 / faster), 3)} times {'faster' if faster > 1 else 'slower'}"
        words = f"whole model {milliseconds(old['whole'])} -> {milliseconds(new['whole'])}, {how}"
        yield _input(f"speed of {new['device']}", "speed", (role, old["whole"], new["whole"]), words)
    for key in ("threads", "engine"):
        if old[key] != new[key]:
            what = f"{key} of {new['device']}"
            yield _input(what, key, (role, old[key], new[key]), f"{old[key]} -> {new[key]}")


def _memory(old: Document, new: Document) -> Iterator[Document]:
    before, after = _by_role(old, "memory"), _by_role(new, "memory")
    for role in sorted(before.keys() & after.keys()):
        limits = before[role]["limit"], after[role]["limit"]
        if limits[0] != limits[1]:
            words = " -> ".join(size(limit) if limit else "no limit" for limit in limits)
            yield _input(f"memory of {after[role]['device']}", "memory", (role, *limits), words)


def _plain(old: Document, new: Document) -> Iterator[Document]:
    objectives = objective_of(old), objective_of(new)
    if objectives[0] != objectives[1]:
        yield _input("objective", "objective", ("objective", *objectives), " -> ".join(objectives))
    kept = old["keep_input_on_board"], new["keep_input_on_board"]
    if kept[0] != kept[1]:
        words = "now stays on the board" if kept[1] else "may leave the board now"
        yield _input("the input", "wish", ("keep_input", *kept), words)
    for key, what in PLAIN:
        before, after = _without_input(old.get(key)), _without_input(new.get(key))
        if before is not None and after is not None and before != after:
            yield _input(what, key, (key, before, after), _said(before, after))


def _without_input(value: Any) -> Any:
    """Leave out of the wishes the one that is told on its own."""
    if isinstance(value, dict):
        return {key: one for key, one in value.items() if key != "keep_input"}
    return value


def _said(before: Any, after: Any) -> str:
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
        return ", ".join(f"{key} {_value(before.get(key))} -> {_value(after.get(key))}" for key in keys)
    return f"{before} -> {after}"


def _value(value: Any) -> str:
    if value is None or value in ("", []):
        return "none"
    return digits(value) if isinstance(value, float) else str(value)


def _moved(before: float, after: float) -> bool:
    return abs(after - before) > LEAST * max(abs(before), abs(after))


def _input(what: str, kind: str, values: tuple[str, Any, Any], words: str) -> Document:
    key, before, after = values
    return {"what": what, "kind": kind, "key": key, "before": before, "after": after, "words": words}
