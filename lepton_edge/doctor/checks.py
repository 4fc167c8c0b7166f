"""What follows from the facts of a machine and of the coordinator that it asked.

Law: pure: facts in, findings out, in the order in which a person would look. Each finding that is not `ok` has a fix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lepton_edge.core.messages import PROTOCOL_MAJOR, PROTOCOL_MINOR
from lepton_edge.doctor.facts import Coordinator, Finding, Level, Machine
from partitioner.units import DeviceId

MIB, GIB = 1 << 20, 1 << 30
OLDEST, NEWEST = (3, 10), (3, 13)
LITTLE_MEMORY, NO_MEMORY = 512 * MIB, 128 * MIB
"""Bytes available: an idle agent takes 85 MB, with a ResNet-50 some 350."""
LITTLE_DISK, NO_DISK = GIB, 64 * MIB
HOT, TOO_HOT = 75.0, 85.0
"""Degrees Celsius: a Raspberry Pi slows itself from 80 on, and hard at 85."""
LONG_AGO = 1_735_689_600.0
"""2025, in seconds since 1970: a clock before it was never set."""
SKEWED, FAR_OFF = 2.0, 20 * 3600.0
"""Seconds between two clocks: logs no longer fit together; certificates, which start a day early, may not be valid."""
SLOW_ANSWER = 1.0

FLAGS = {
    0: "the supply voltage is too low",
    1: "the processor's frequency is capped",
    2: "the processor is throttled",
    3: "the soft temperature limit is reached",
}
"""Of a Raspberry Pi, by bit; 16 bits higher: it was so since the last start."""
SUPPLY = "use the supply made for this board (5.1 V; a Pi 5 needs 5 A) and a short, thick cable"
COOLING = "give it a heat sink or a fan, and air; until then plans count with a slower device"
SAVES_POWER = "powersave"
FASTER = "if it shall be fast: sudo cpupower frequency-set -g performance (it takes more current)"
WRONG_ENGINE = {"onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino"}


def machine(facts: Machine) -> list[Finding]:
    """Return what is to be said of a machine."""
    return [finding for check in _MACHINE for finding in check(facts)]


def _system(facts: Machine) -> Iterator[Finding]:
    if facts.bits < 64:
        also = " (its kernel has 64 bits: only the installed system has 32)" if _is_64(facts) else ""
        yield Finding(
            "system",
            Level.PROBLEM,
            f"this Python is a 32-bit one on {facts.architecture}{also}: onnxruntime and numpy have no wheels for it",
            "install a 64-bit system (Raspberry Pi OS 64-bit runs from a Pi 3 on), then a 64-bit Python",
        )
    else:
        yield Finding("system", Level.OK, f"{facts.system}, {facts.architecture}, 64 bits")


def _is_64(facts: Machine) -> bool:
    return facts.architecture in ("aarch64", "arm64", "x86_64", "AMD64")


def _python(facts: Machine) -> Iterator[Finding]:
    version = facts.python[:2]
    name = ".".join(map(str, facts.python))
    if version < OLDEST:
        fix = "use Python 3.10 or newer: JetPack 6 and Debian 12 have one"
        yield Finding("python", Level.PROBLEM, f"Python {name} is too old", fix)
    elif version > NEWEST:
        said = f"Python {name} is newer than what this release was tested with (3.10 to 3.13)"
        yield Finding(
            "python", Level.NOTE, said, "should it misbehave, make the environment with Python 3.13"
        )
    else:
        yield Finding("python", Level.OK, f"Python {name}")


def _wheels(facts: Machine) -> Iterator[Finding]:
    missing = [name for name, version in facts.wheels if not version and name not in WRONG_ENGINE]
    engines = [name for name, version in facts.wheels if version and name.startswith("onnxruntime")]
    if len(engines) > 1:
        said = f"{' and '.join(engines)} are installed together: they overwrite each other's files"
        fix = f"pip uninstall {' '.join(engines)}, then pip install onnxruntime"
        yield Finding("wheels", Level.WARNING, said, fix)
    if engines:
        missing = [name for name in missing if name != "onnxruntime"]
    if missing:
        said = f"not installed: {', '.join(missing)}"
        yield Finding("wheels", Level.PROBLEM, said, "pip install --upgrade lepton-edge, in its environment")
    elif len(engines) == 1:
        yield Finding("wheels", Level.OK, f"all needed packages are installed, {engines[0]} among them")


def _engine(facts: Machine) -> Iterator[Finding]:
    for found in facts.accelerators:
        yield Finding(
            "accelerator",
            Level.WARNING,
            f"{found.upper()} IS PRESENT AND NOT USED: this release computes on the processor only",
            "nothing to repair: plans count with the processor's measured time, so they are right as they are",
        )
    if facts.hardware is not None:
        told = facts.hardware
        offered = ", ".join(told.providers) or "no provider"
        yield Finding(
            "engine", Level.OK, f"{told.engine} on {told.processor}, {told.cores} cores; offers {offered}"
        )


def _mode(facts: Machine) -> Iterator[Finding]:
    arm = facts.architecture in ("aarch64", "arm64")  # elsewhere a governor of that name is quick, too
    if arm and facts.hardware is not None and facts.hardware.power_mode == SAVES_POWER:
        said = "the processor saves power: it is measured, and planned with, at its slowest"
        yield Finding("power mode", Level.NOTE, said, FASTER)


def _memory(facts: Machine) -> Iterator[Finding]:
    said = f"{_size(facts.memory_available)} of {_size(facts.memory_total)} memory is available"
    fix = (
        "end what else runs here, or give the agent a bound (memory_limit in its settings) and smaller models"
    )
    if facts.memory_available < NO_MEMORY:
        yield Finding("memory", Level.PROBLEM, said, fix)
    elif facts.memory_available < LITTLE_MEMORY:
        yield Finding("memory", Level.WARNING, said, fix)
    else:
        yield Finding("memory", Level.OK, said)


def _disk(facts: Machine) -> Iterator[Finding]:
    where = facts.state_directory
    if not facts.writable:
        fix = "choose another with --state-directory, or give it to the user who runs this (chown)"
        yield Finding("disk", Level.PROBLEM, f"{where} cannot be written by this user", fix)
    if facts.disk_free is None:
        return
    said = f"{_size(facts.disk_free)} are free for {where}"
    fix = "free some space, or move the state with --state-directory; cache_limit bounds what an agent keeps"
    low = Level.PROBLEM if facts.disk_free < NO_DISK else Level.WARNING
    if facts.disk_free < LITTLE_DISK:
        yield Finding("disk", low, said, fix)
    elif facts.writable:
        yield Finding("disk", Level.OK, said)


def _heat(facts: Machine) -> Iterator[Finding]:
    if facts.hardware is None or facts.hardware.temperature < -50.0:
        return
    degrees = facts.hardware.temperature
    said = f"the processor has {degrees:.0f} degrees Celsius"
    if degrees >= HOT:
        yield Finding("heat", Level.PROBLEM if degrees >= TOO_HOT else Level.WARNING, said, COOLING)
    else:
        yield Finding("heat", Level.OK, said)


def _flags(facts: Machine) -> Iterator[Finding]:
    if facts.flags is None:
        if facts.pi:
            fix = "let this user ask: sudo usermod -aG video $USER, then log in anew"
            yield Finding("power", Level.NOTE, "this Pi does not tell whether its supply suffices", fix)
        return
    now = [bit for bit in FLAGS if facts.flags >> bit & 1]
    before = [bit for bit in FLAGS if facts.flags >> bit + 16 & 1 and bit not in now]
    for bit in now:
        yield Finding("power", Level.WARNING, f"now: {FLAGS[bit]}", SUPPLY if bit == 0 else COOLING)
    for bit in before:
        said = f"since the last start, not now: {FLAGS[bit]}"
        yield Finding("power", Level.NOTE, said, SUPPLY if bit == 0 else COOLING)
    if not now and not before:
        yield Finding("power", Level.OK, "no low voltage and no throttling since the last start")


def _clock(facts: Machine) -> Iterator[Finding]:
    fix = "set it: timedatectl set-ntp true (Debian: apt install systemd-timesyncd)"
    if facts.today < LONG_AGO:
        yield Finding(
            "clock",
            Level.PROBLEM,
            "this machine's clock is years behind: certificates look not yet valid",
            fix,
        )
    elif facts.synchronised is False:
        yield Finding("clock", Level.NOTE, "nothing has set this machine's clock since it started", fix)
    elif facts.synchronised:
        yield Finding("clock", Level.OK, "the clock is kept right")


def _network(facts: Machine) -> Iterator[Finding]:
    give = "give the address: --coordinator HOST:PORT"
    if not facts.route:
        said = "this machine has no network but loopback"
        yield Finding("network", Level.NOTE, said, "connect it; what it holds it serves without one")
    elif not facts.multicast:
        yield Finding("network", Level.NOTE, "there is no route for multicast, so mDNS finds nothing", give)
    elif facts.container:
        said = f"this is a container ({facts.route}): mDNS rarely gets in or out, and others need a published port"
        yield Finding("network", Level.NOTE, said, f"{give}; --advertise HOST:PORT tells peers what to dial")
    else:
        yield Finding(
            "network", Level.OK, f"the default route leaves from {facts.route}; multicast has a route"
        )


_MACHINE: tuple[Callable[[Machine], Iterator[Finding]], ...] = (
    _system, _python, _wheels, _engine, _mode, _memory, _disk, _heat, _flags, _clock, _network,
)  # fmt: skip


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


# --- the coordinator ------------------------------------------------------------------------------


def coordinator(told: Coordinator) -> list[Finding]:
    """Return what is to be said of a coordinator, seen from here."""
    if told.why:
        where = f"{told.address}: " if told.address and told.address not in told.why else ""
        fix = (
            told.hint or "is it running (lepton-edge coordinator start), and does a firewall let its port in?"
        )
        return [Finding("coordinator", Level.PROBLEM, f"{where}{told.why}", fix)]
    return [*_answer(told), *_versions(told), *_skew(told)]


def _answer(told: Coordinator) -> Iterator[Finding]:
    said = f"{told.name} at {told.address} answers in {told.seconds * 1e3:.0f} ms"
    if told.seconds > SLOW_ANSWER:
        yield Finding("coordinator", Level.WARNING, said, "look at its load, and at the network between")
    else:
        yield Finding("coordinator", Level.OK, said)


def _versions(told: Coordinator) -> Iterator[Finding]:
    major, minor = told.protocol
    said = f"the coordinator is lepton-edge {told.software}, protocol {major}.{minor}"
    if major != PROTOCOL_MAJOR:
        fix = "install the same release on both sides"
        yield Finding("version", Level.PROBLEM, f"{said}; here it is {PROTOCOL_MAJOR}.{PROTOCOL_MINOR}", fix)
    elif minor != PROTOCOL_MINOR:
        fix = "both understand each other; the newer release on both sides has all of it"
        yield Finding("version", Level.NOTE, f"{said}; here it is {PROTOCOL_MAJOR}.{PROTOCOL_MINOR}", fix)
    else:
        yield Finding("version", Level.OK, said)


def _skew(told: Coordinator) -> Iterator[Finding]:
    if told.skew is None:
        return
    by = abs(told.skew)
    ahead = "ahead of" if told.skew > 0 else "behind"
    said = f"the coordinator's clock is {by:.0f} s {ahead} this machine's"
    fix = "set both clocks: timedatectl set-ntp true"
    if by > FAR_OFF:
        yield Finding("clocks", Level.PROBLEM, f"{said}: certificates may look expired or not yet valid", fix)
    elif by > SKEWED + told.doubt:
        yield Finding(
            "clocks",
            Level.WARNING,
            f"{said}: dates in logs do not fit together (no plan depends on them)",
            fix,
        )
    else:
        yield Finding("clocks", Level.OK, "the coordinator's clock and this machine's agree")


def doors(told: Coordinator, device: DeviceId | None = None, *, dialled: bool = True) -> list[Finding]:
    """Return whether data ports answer from the coordinator's side: those of `device`, or all.

    `dialled`: others must be able to dial it; a board does well without, since it dials itself.
    """
    if told.why:
        return []
    if told.doors_why:
        fix = "ask from an administrator's machine: lepton-edge doctor --coordinator HOST:PORT"
        return [Finding("ports", Level.NOTE, f"the coordinator did not dial back: {told.doors_why}", fix)]
    return [*_registration(told, device), *_doors(told, device, dialled=dialled)]


def _registration(told: Coordinator, device: DeviceId | None) -> Iterator[Finding]:
    attached = dict(told.devices)
    if device is None:
        return
    start = "start it (lepton-edge agent start), and read its log: it says why it is not let in"
    if device not in attached:
        yield Finding("registration", Level.WARNING, f"the coordinator knows no device {device}", start)
    elif not attached[device]:
        yield Finding(
            "registration", Level.WARNING, f"{device} is not attached to the coordinator now", start
        )
    else:
        yield Finding("registration", Level.OK, f"{device} is attached to the coordinator")


def _doors(told: Coordinator, device: DeviceId | None, *, dialled: bool) -> Iterator[Finding]:
    level = Level.PROBLEM if dialled else Level.NOTE
    for door in told.doors:
        if device not in (None, door.device):
            continue
        if not door.why:
            said = f"{door.device} answers the coordinator at {door.address} in {door.seconds * 1e3:.0f} ms"
            yield Finding("ports", Level.OK, said)
            continue
        fix = (
            "open that TCP port in its firewall, or start the agent with --advertise HOST:PORT that others can dial; "
            "behind NAT it still reaches those that it dials itself"
        )
        said = f"{door.device} does not answer the coordinator at {door.address}: {door.why}"
        yield Finding("ports", level, said, fix)
