"""What each process is told at its start: frozen values, built once in a cli, handed down in parts.

Law: nouns with defaults. Nothing here reads files, the environment or argv.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from partitioner.units import Bytes, Seconds

SECURE = True
"""Whether coordinators and agents speak TLS where nobody says otherwise."""
CONTROL_PORT = 8010
DATA_PORT = 8011
METRICS_PORT = 8002
NO_METRICS = -1
"""The port of no door for metrics; a person writes "off"."""


@dataclass(frozen=True)
class CoordinatorConfig:
    """How a coordinator runs.

    `bind` beyond loopback is only ever set by --insecure-bind. `advertise` is the address to announce when it differs
    from the bound one. An agent that was not heard for `lease` seconds is lost; it speaks every `heartbeat`.
    `worker_timeout` bounds one compilation or planning job. `secure`: everybody proves who they are, over TLS.
    `approve`: a person lets each device in. `certificate_life`: of each device's certificate, which renews itself.
    """

    state_directory: Path
    bind: str = "127.0.0.1"
    port: int = CONTROL_PORT
    advertise: str = ""
    announce: bool = True
    lease: Seconds = Seconds(6.0)
    heartbeat: Seconds = Seconds(1.5)
    worker_timeout: Seconds = Seconds(300.0)
    upload_limit: Bytes = Bytes(4 << 30)
    secure: bool = SECURE
    approve: bool = False
    certificate_life: Seconds = Seconds(30 * 86400.0)
    metrics_port: int = METRICS_PORT
    metrics_bind: str = "127.0.0.1"


@dataclass(frozen=True)
class AgentConfig:
    """How an agent runs.

    `coordinator` empty means: look for one by mDNS. `advertise` replaces the data addresses that peers are told
    (a port forward, a shaped link). `threads` compute one request, 0 means one per physical core; `workers` requests
    are computed at once, 0 means as many as the cores then allow. `simulate_slow` multiplies the time of every
    computation on this device; it is shown wherever the device is. `memory_limit` 0 means what is available.
    `watts` (while it is busy, above idle) and `radio_watts` are declared by who starts it; 0 means unknown.
    `queue_limit` requests and `queue_bytes` of their tensors are in progress here at most, those that wait included;
    0 bytes mean an eighth of the memory, 64 MiB at least.
    `relay`: whether it forwards for agents that cannot reach each other; None: a cloud does, a board does not.
    `adopt`: another coordinator than the one before may command it, whatever it serves.
    `secure`: it has joined, and speaks TLS with everybody. `machine`: what tells this machine from others, where its
    hardware does not. `signatures`: "enforce", "warn" or "off" on what is to be run; "": as `secure` is.
    `metrics_port` of `metrics_bind` shows metrics, /livez and /readyz; `NO_METRICS`: nowhere.
    `transport` "auto": plain streams where the peer knows them; "grpc": gRPC only, listening and dialling.
    """

    state_directory: Path
    role: str
    name: str
    coordinator: str = ""
    bind: str = "127.0.0.1"
    port: int = DATA_PORT
    advertise: tuple[str, ...] = ()
    threads: int = 0
    simulate_slow: float = 1.0
    memory_limit: Bytes = Bytes(0)
    cache_limit: Bytes = Bytes(8 << 30)
    queue_limit: int = 256
    watts: float = 0.0
    radio_watts: float = 0.0
    workers: int = 0
    relay: bool | None = None
    queue_bytes: Bytes = Bytes(0)
    transport: str = "auto"
    adopt: bool | None = None
    secure: bool = SECURE
    machine: str = ""
    signatures: str = ""
    metrics_port: int = METRICS_PORT
    metrics_bind: str = "127.0.0.1"
