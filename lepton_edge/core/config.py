"""What each process is told at its start: frozen values, built once in a cli, handed down in parts.

Law: nouns with defaults, and beside each field what it means to a person and which values it may have. Nothing here
reads files, the environment or argv: `lepton_edge/settings/` does, for the command lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from partitioner.units import Bytes, Seconds

SECURE = True
"""Whether coordinators and agents speak TLS where nobody says otherwise."""
CONTROL_PORT = 8010
DATA_PORT = 8011
METRICS_PORT = 8002
LAST_PORT = 65535
NO_METRICS = -1
"""The port of no door for metrics; a person writes "off"."""
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("auto", "console", "json")


@dataclass(frozen=True)
class Setting:
    """What a setting means, as a person is told, and which values it may have.

    Attributes:
        told: one line; bytes, seconds and watts are said there.
        least: the smallest value; None for no bound.
        most: the largest value; None for no bound.
        choices: the words that it may be; () for any.
        words: what a person may write instead of a number.
        usual: what holds where nobody says anything, if the default's value does not tell it.
        shared: whether its variable is the same for every process, LEPTON_EDGE_NAME.
    """

    told: str
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    words: Mapping[str, int] = field(default_factory=dict)
    usual: str = ""
    shared: bool = False


_STATE_HOME = "`$XDG_STATE_HOME/lepton-edge/{}` (`~/.local/state/...`)"
_BIND = "the address to listen on; beyond loopback over TLS alone, or loudly"
_SECURE = "TLS with everybody, who prove who they are; or in the open"
_OFF = {"off": NO_METRICS}
_CustomOps = Annotated[
    tuple[str, ...],
    Setting(
        "DOMAIN=LIBRARY, commas between: libraries of custom operators on this machine that may be loaded",
        usual="none",
    ),
]
_MetricsPort = Annotated[
    int,
    Setting(
        "where `/metrics`, `/livez` and `/readyz` are shown; 0 for any port, `off` for none",
        NO_METRICS,
        LAST_PORT,
        words=_OFF,
    ),
]
_MetricsBind = Annotated[
    str, Setting("the address for them; plain text without authentication, whatever it is")
]
_LogLevel = Annotated[str, Setting("the least that is logged", choices=LOG_LEVELS, shared=True)]
_LogFormat = Annotated[
    str,
    Setting(
        "how an event is written: `console`, a line; `json`, an object; `auto`, a line, without its time in a journal",
        choices=LOG_FORMATS,
        shared=True,
    ),
]


@dataclass(frozen=True)
class CoordinatorConfig:
    """How a coordinator runs.

    `bind` beyond loopback is only ever set by --bind or --insecure-bind. An agent that was not heard for `lease` is
    lost. What each setting means is said beside it.
    """

    state_directory: Annotated[
        Path,
        Setting("where models, plans, epochs and keys are kept", usual=_STATE_HOME.format("coordinator")),
    ]
    bind: Annotated[str, Setting(_BIND)] = "127.0.0.1"
    port: Annotated[int, Setting("control port; 0 for any", 0, LAST_PORT)] = CONTROL_PORT
    advertise: Annotated[str, Setting("the address to announce where it is not the bound one")] = ""
    announce: Annotated[bool, Setting("whether it announces itself by mDNS")] = True
    lease: Annotated[Seconds, Setting("seconds without a word after which an agent is lost", 0.1)] = Seconds(
        6.0
    )
    heartbeat: Annotated[Seconds, Setting("seconds between an agent's words", 0.01)] = Seconds(1.5)
    worker_timeout: Annotated[
        Seconds, Setting("seconds that one job of compiling or planning may take", 1)
    ] = Seconds(300.0)
    upload_limit: Annotated[Bytes, Setting("the largest model that may be pushed, bytes", 1)] = Bytes(4 << 30)
    secure: Annotated[bool, Setting(_SECURE)] = SECURE
    approve: Annotated[bool, Setting("whether a person lets each device in")] = False
    allow_custom_ops: _CustomOps = ()
    certificate_life: Annotated[
        Seconds, Setting("seconds that a device's certificate counts; it renews itself", 1)
    ] = Seconds(180 * 86400.0)
    metrics_port: _MetricsPort = METRICS_PORT
    metrics_bind: _MetricsBind = "127.0.0.1"
    log_level: _LogLevel = "info"
    log_format: _LogFormat = "auto"


@dataclass(frozen=True)
class AgentConfig:
    """How an agent runs; what each setting means is said beside it.

    `advertise` replaces the data addresses that peers are told (a port forward, a shaped link). `simulate_slow`
    multiplies the time of every computation on this device; it is shown wherever the device is. `relay` None: a
    cloud forwards, a board does not. `secure`: it has joined. `signatures` "": as `secure` is.
    """

    state_directory: Annotated[
        Path, Setting("where weights, active plans and keys are kept", usual=_STATE_HOME.format("agent-NAME"))
    ]
    role: Annotated[
        str,
        Setting(
            "`board`, where data arises, or `cloud`, which helps it",
            choices=("board", "cloud"),
            usual="what it joined as; else it must be given",
        ),
    ]
    name: Annotated[
        str,
        Setting(
            "who this device is: letters, digits, `.`, `_` and `-`, 63 at most",
            usual="the host's name",
        ),
    ]
    coordinator: Annotated[
        str, Setting("HOST:PORT of the coordinator", usual="where it joined, else what mDNS finds")
    ] = ""
    bind: Annotated[str, Setting(_BIND)] = "127.0.0.1"
    port: Annotated[
        int, Setting("data port; the next free one if the usual one is taken, 0 for any", 0, LAST_PORT)
    ] = DATA_PORT
    advertise: Annotated[
        tuple[str, ...],
        Setting("HOST:PORT, commas between, that peers are told to dial", usual="what it listens on"),
    ] = ()
    threads: Annotated[
        int, Setting("threads to compute one request", 0, usual="0: one per physical core")
    ] = 0
    simulate_slow: Annotated[
        float, Setting("plays a device that is so many times slower, and says so wherever it shows", 1)
    ] = 1.0
    memory_limit: Annotated[
        Bytes, Setting("bytes that the blocks of models may take", 0, usual="0: what is available")
    ] = Bytes(0)
    cache_limit: Annotated[
        Bytes, Setting("bytes on disk for weights and blocks; the longest unused go first", 0)
    ] = Bytes(8 << 30)
    queue_limit: Annotated[int, Setting("requests in progress at once, waiting ones included", 1)] = 256
    watts: Annotated[
        float, Setting("power while it is busy, above idle: a declaration", 0, usual="0: unknown")
    ] = 0.0
    radio_watts: Annotated[
        float,
        Setting("power of its radio while a link carries bytes: a declaration", 0, usual="0: unknown"),
    ] = 0.0
    workers: Annotated[
        int,
        Setting("requests computed at once, within the memory that is left", 0, usual="0: cores / threads"),
    ] = 0
    relay: Annotated[
        bool | None,
        Setting(
            "whether it forwards for agents that cannot reach each other",
            usual="a cloud does, a board does not",
        ),
    ] = None
    queue_bytes: Annotated[
        Bytes,
        Setting(
            "bytes of the tensors of requests in progress", 0, usual="0: 1/8 of the memory, at least 64 MiB"
        ),
    ] = Bytes(0)
    transport: Annotated[
        str,
        Setting(
            "`auto`: plain streams with peers that know them; `grpc`: gRPC only", choices=("auto", "grpc")
        ),
    ] = "auto"
    adopt: Annotated[
        bool | None,
        Setting("whether another coordinator may have it, whatever it serves for the one before", usual="no"),
    ] = None
    allow_custom_ops: _CustomOps = ()
    secure: Annotated[bool, Setting(_SECURE)] = SECURE
    machine: Annotated[
        str,
        Setting(
            "what tells this machine from one that its storage was copied to: for containers that move",
            usual="the hardware's serial number, built-in network addresses, or the system's machine id",
        ),
    ] = ""
    signatures: Annotated[
        str,
        Setting(
            "what becomes of what the coordinator has not signed: refused, told, or run",
            choices=("", "enforce", "warn", "off"),
            usual="`enforce` where it is secure, else `off`",
        ),
    ] = ""
    metrics_port: _MetricsPort = METRICS_PORT
    metrics_bind: _MetricsBind = "127.0.0.1"
    log_level: _LogLevel = "info"
    log_format: _LogFormat = "auto"
