"""What the coordinator shows of itself: documents for people and tools, as JSON values.

Law: pure functions of the state. Every document names its schema and that schema's version; fields are added,
never renamed. Times are seconds, sizes bytes; a time that was never and a temperature that is not told are null.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lepton_edge.coordinator import availability, canary, changes, drift, loads, orders, reach, requests
from lepton_edge.coordinator.commands import Deployed, DeviceGone, Drained, Supposed
from lepton_edge.coordinator.history import adaptation
from lepton_edge.coordinator.records import ACTIVE, READY, EpochRecord, ModelRecord, ProfileRecord
from lepton_edge.coordinator.relatives import relatives_of
from lepton_edge.coordinator.state import Device, State
from lepton_edge.core.errors import NotFound
from lepton_edge.core.messages import Hardware, Telemetry
from partitioner.codecs import RAW
from partitioner.compiled import CodecSample
from partitioner.costs import LinkProfile
from partitioner.nouns_json import to_json
from partitioner.plan import InputSpec, OutputSpec
from partitioner.units import DeviceId, Epoch, ModelName, PageName, Seconds

DEVICE = "lepton-edge/device/1"
DEVICES, MODELS, MODEL = "lepton-edge/devices/1", "lepton-edge/models/1", "lepton-edge/model/1"
PROFILE, DEPLOYMENT = "lepton-edge/profile/1", "lepton-edge/deployment/1"
PLAN, STATUS = "lepton-edge/plan/1", "lepton-edge/status/1"
WHAT_IF = "lepton-edge/what-if/1"

NO_TEMPERATURE = -273.0
"""Degrees Celsius at or below which an agent means "the system does not tell"."""

Json = dict[str, Any]


def devices(state: State, now: Seconds) -> Json:
    """Return every device: who it is, whether it is there, what it last told."""
    return {"schema": DEVICES, "devices": _devices(state, now)}


def _devices(state: State, now: Seconds) -> list[Json]:
    return [_device(state, device, now) for _, device in sorted(state.devices.items())]


def drained(state: State, ending: Drained | DeviceGone) -> Json:
    """Return what became of a device that was to be drained, removed, or to take part again."""
    gone = isinstance(ending, DeviceGone)
    undone = isinstance(ending, Drained) and ending.undone
    return {
        "schema": DEVICE,
        "device": ending.device,
        "drained": not gone and not undone,
        "removed": gone,
        "connected": ending.device in {device.name for device in state.connected()},
    }


def _device(state: State, device: Device, now: Seconds) -> Json:
    hello = device.hello
    return {
        "device": hello.device,
        "role": hello.role,
        "connected": device.stream is not None,
        "revoked": device.name in state.shut_out,
        "since_heard": round(now - device.heard, 3) if device.heard else None,
        "software": hello.software,
        "simulated_slowdown": hello.simulated_slowdown,
        "addresses": list(hello.data_addresses),
        "watts": hello.watts or None,
        "radio_watts": hello.radio_watts or None,
        "hardware": _hardware(hello.hardware),
        "telemetry": _telemetry(device.telemetry),
        "busy": round(loads.utilisation(state, device.name, now), 4),
        "shares": [to_json(one) for one in loads.shares(state, device.name, now)],
        "standing": availability.standing(state, device.name, now),
        "epochs": [
            {"model": model, "epoch": number, "state": held}
            for (model, number), held in sorted(device.epochs.items())
        ],
    }


def _hardware(told: Hardware) -> Json:
    return {**to_json(told), "temperature": _temperature(told.temperature)}


def _telemetry(told: Telemetry | None) -> Json | None:
    if told is None:
        return None
    ago = told.seconds_since_success if told.seconds_since_success >= 0 else None
    return {**to_json(told), "temperature": _temperature(told.temperature), "seconds_since_success": ago}


def _temperature(degrees: float) -> float | None:
    return degrees if degrees > NO_TEMPERATURE else None


def models(state: State) -> Json:
    """Return every model in short."""
    return {"schema": MODELS, "models": _models(state)}


def _models(state: State) -> list[Json]:
    return [_model(state, record) for _, record in sorted(state.models.items())]


def _model(state: State, record: ModelRecord) -> Json:
    active = state.active_epoch(record.name)
    boards = [_active(state, one) for one in state.active_epochs(record.name)]
    return {
        "model": record.name,
        "version": record.version,
        "description": record.description,
        "variant_of": record.variant_of,
        "weights_bytes": record.weights,
        "source_bytes": record.source_bytes,
        "layers": record.layers,
        "samples": record.samples,
        "epoch": active.epoch if active else 0,
        "page": active.book.active if active and active.book else "",
        "boards": boards,
    }


def _active(state: State, record: EpochRecord) -> Json:
    """Return an active epoch in short; `board` is empty for one of clouds alone."""
    return {
        "board": record.board,
        "canary": canary.news(state, (record.model, record.board)),
        "cloud": record.cloud,
        "replicas": list(record.replicas),
        "epoch": record.epoch,
        "version": record.version,
        "page": record.book.active if record.book else "",
        "page_now": changes.page_now(state, record),
    }


def find_model(state: State, name: ModelName) -> ModelRecord:
    """Return the model called `name`; raise UnknownModel naming those that there are."""
    record = state.models.get(name)
    if record is None:
        raise availability.unknown_model(state, name)
    return record


def model(
    state: State, name: ModelName, codecs: Sequence[CodecSample] = (), unmeasured: Sequence[str] = ()
) -> Json:
    """Return everything about one model; `codecs` are what was measured of it at push.

    `codec_samples` is [least, most] samples that a codec was measured on, null where none was; `unmeasured`
    are the tensors that it had no time for.
    """
    counts = [sample.samples for sample in codecs if sample.codec != RAW.name]
    record = find_model(state, name)
    ended = sorted((e for e in state.epochs.values() if e.model == name), key=lambda e: e.epoch)
    return {
        "schema": MODEL,
        **_model(state, record),
        "inputs": [_input(spec) for spec in record.inputs],
        "outputs": [_output(spec) for spec in record.outputs],
        "operators": list(record.operators),
        "codecs": [to_json(sample) for sample in codecs],
        "codec_samples": [min(counts), max(counts)] if counts else None,
        "unmeasured": list(unmeasured),
        "epochs": [_epoch(epoch) for epoch in ended],
        **relatives_of(state, record),
    }


def _input(spec: InputSpec) -> Json:
    tensor = spec.tensor
    return {
        "name": tensor.name,
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
        "picture": bool(spec.picture),
    }


def _output(spec: OutputSpec) -> Json:
    return {"name": spec.tensor, "labels": bool(spec.labels), "top": bool(spec.indices)}


def _epoch(record: EpochRecord) -> Json:
    return {
        "epoch": record.epoch,
        "version": record.version,
        "state": record.state,
        "board": record.board,
        "page": record.book.active if record.book else "",
        "devices": [hold.device for hold in record.holds],
        "reason": record.reason,
        "explained": bool(record.document),
    }


def profile(state: State, name: ModelName, now: Seconds) -> Json:
    """Return a model's measurements on every device that has one, how old they are, and why one is stale."""
    record = find_model(state, name)
    found = [
        {
            "device": device,
            "connected": device in state.devices and state.devices[device].stream is not None,
            "simulated_slowdown": kept.profile.simulated_slowdown,
            "age": _age(state, kept, now),
            "stale": orders.stale(state, kept),
            "drifted": bool(kept.drift),
            "profile": to_json(kept.profile),
        }
        for (model_name, version, device), kept in sorted(state.profiles.items())
        if (model_name, version) == (name, record.version)
    ]
    return {"schema": PROFILE, "model": name, "version": record.version, "devices": found}


def _age(state: State, kept: ProfileRecord, now: Seconds) -> float | None:
    """Return the seconds since a measurement; None where it was not noted, or the clock was set back since."""
    age = now + state.settings.wall - kept.measured_at
    return round(age, 1) if kept.measured_at > 0 and age >= 0 else None


def deployment(state: State, done: Deployed) -> Json:
    """Return how a deployment ended: the page, the epoch, and why."""
    plan = json.loads(done.document) if done.document else {}
    record = state.epochs.get((done.model, done.epoch))
    return {
        "schema": DEPLOYMENT,
        "model": done.model,
        "version": done.version,
        "epoch": done.epoch,
        "page": done.page,
        "reason": plan.get("reason", ""),
        "dry_run": done.epoch == 0,
        "canary": record.request.canary if record and record.request and record.state == READY else 0.0,
        "board": record.board if record else "",
        "devices": [hold.device for hold in record.holds] if record else [],
        "replicas": {name: name in record.ready for name in record.replicas} if record else {},
        "plan": plan,
    }


def plan(state: State, name: ModelName, epoch: Epoch | None = None, board: DeviceId | None = None) -> Json:
    """Return why a plan of a model is what it is: the active one (epoch None or 0), or that of a remembered epoch.

    Of several active ones that of `board`, or the newest; `boards` names them. What requests take is put beside what
    was predicted. Raises NotFound when there is no such plan.
    """
    find_model(state, name)
    record = _planned(state, name, epoch, board)
    explained = json.loads(record.document) if record.document else {}
    return {
        **_with_measured(explained, drift.measured(state, record)),
        "schema": PLAN,
        "model": name,
        "version": record.version,
        "epoch": record.epoch,
        "state": record.state,
        "stale": _stale(state, record),
        "board": record.board,
        "boards": [one.board for one in state.active_epochs(name)],
        "replicas": list(record.replicas),
        "turning": list(record.book.turning.pages) if record.book else [],
        "page_now": changes.page_now(state, record) if record.state == ACTIVE else "",
    }


def _planned(state: State, name: ModelName, epoch: Epoch | None, board: DeviceId | None) -> EpochRecord:
    if not epoch:
        active = requests.active(state, name, board) if board else state.active_epoch(name)
        if active is None:
            raise NotFound(f"no plan of {name!r} is active", f"deploy it: lepton-edge deploy {name}")
        return active
    record = state.epochs.get((name, epoch))
    if record is None or not record.document:
        known = sorted(
            number for (model, number), one in state.epochs.items() if model == name and one.document
        )
        there = ", ".join(map(str, known)) or "none"
        raise NotFound(f"no plan of epoch {epoch} of {name!r} is remembered", f"there is: {there}")
    return record


def _with_measured(explained: Json, measured: Mapping[PageName, Seconds]) -> Json:
    rows = explained.get("candidates", [])
    if not rows:
        return explained
    seen = [{**row, "measured": measured.get(row["page"], row.get("measured"))} for row in rows]
    active = measured.get(explained.get("page", ""), explained.get("measured"))
    return {**explained, "candidates": seen, "measured": active}


def _stale(state: State, record: EpochRecord) -> list[Json]:
    """Return the devices of a plan that are no longer as they were measured."""
    profiles = [
        (hold.device, state.profiles.get((*record.runs_on(hold.device), hold.device)))
        for hold in record.holds
    ]
    whys = [(device, orders.stale(state, kept)) for device, kept in profiles if kept is not None]
    return [{"device": device, "why": why} for device, why in whys if why]


def what_if(state: State, supposed: Supposed) -> Json:
    """Return the plan of what is not so, and the active one beside it, null where there is none."""
    active = state.active_epoch(supposed.model, supposed.board or None)
    return {
        "schema": WHAT_IF,
        "model": supposed.model,
        "plan": json.loads(supposed.document),
        "active": plan(state, supposed.model, board=supposed.board) if active else None,
    }


def removal(state: State, name: ModelName) -> Json:
    """Return what removing a model would end; raise UnknownModel when there is none."""
    record = find_model(state, name)
    ends = state.active_epochs(name)
    return {
        "schema": MODEL,
        "model": name,
        "version": record.version,
        "removed": False,
        "dry_run": True,
        "epoch": ends[-1].epoch if ends else 0,
        "epochs": [record.epoch for record in ends],
        "devices": list(dict.fromkeys(hold.device for record in ends for hold in record.holds)),
    }


def _drifted(state: State) -> list[Json]:
    """Return every profile of a present model version that requests have drifted from."""
    return [
        {"model": name, "device": device, "why": kept.drift}
        for (name, version, device), kept in sorted(state.profiles.items())
        if kept.drift and name in state.models and state.models[name].version == version
    ]


def status(state: State, started: Seconds, now: Seconds) -> Json:
    """Return everything on one screen."""
    return {
        "schema": STATUS,
        "coordinator": {
            "software": state.settings.software,
            "term": state.settings.term,
            "uptime": round(now - started, 3),
            "devices": len(state.devices),
            "models": len(state.models),
            "deploying": state.running.model if state.running else None,
            "phase": state.running.phase if state.running else None,
        },
        "devices": _devices(state, now),
        "models": _models(state),
        "drifted": _drifted(state),
        "adapting": adaptation(state, now),
        "links": [
            _link(state, device, peer, link, now) for (device, peer), link in sorted(state.links.items())
        ],
    }


def _link(state: State, device: DeviceId, peer: DeviceId, probed: LinkProfile, now: Seconds) -> Json:
    """Return a link as it is planned with: by a "probe", or by "traffic" that shows another link; and how old that is.

    `connected` is null where no plan needs the link; `via` is the relay of what is planned with.
    """
    told, current = reach.report(state, device, peer), reach.current(state, device, peer)
    seen = reach.seen(state, device, peer)
    changed = current is not None and current is not probed
    probed_at = state.probed_at.get((device, peer))
    age = told.age if changed and told else round(now - probed_at, 1) if probed_at is not None else None
    return {
        "device": device,
        "peer": peer,
        **to_json(current or probed),
        "by": "traffic" if changed else "probe",
        "age": age,
        "connected": told.connected if told else None,
        "now_via": told.via if told else None,
        "error": told.error if told else "",
        "seen": to_json(told) if seen else None,
    }
