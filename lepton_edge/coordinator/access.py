"""Who may ask a coordinator for what. Pure.

Law: a table of calls and one question, answered from an identity alone; None is somebody without a certificate. On a
coordinator that runs without TLS nobody asks this room.
"""

from __future__ import annotations

import dataclasses

from lepton_edge.core import messages as m
from lepton_edge.core.errors import PermissionDenied, Unauthenticated
from lepton_edge.core.identity import Identity, Role
from lepton_edge.core.keys import ListJoining, ListKeys, ListTokens
from partitioner.units import DeviceId

OWN_MODELS = (m.ShowModel, m.ExplainPlan)
"""What a client may ask of the models that it may infer on."""
READS = (
    *(
        m.ListDevices,
        m.ListModels,
        m.ShowModel,
        m.ExplainPlan,
        m.ShowStatus,
        m.ShowEvents,
        m.WhatIf,
        m.CheckDoors,
    ),
    *(ListTokens, ListJoining, ListKeys),
)
"""What changes nothing."""


def check_admin(who: Identity | None, call: m.AdminCall) -> None:
    """Raise Unauthenticated or PermissionDenied unless `who` may make `call`."""
    known = _known(who)
    if known.may_administer():
        return
    measures = getattr(call, "privacy", False)  # it takes a worker's seconds
    if (
        isinstance(call, OWN_MODELS)
        and not measures
        and known.role is Role.CLIENT
        and known.may_infer(call.name)
    ):
        return
    if known.role is Role.AGENT and isinstance(call, m.CheckDoors) and call.device == known.name:
        return
    raise PermissionDenied(
        f"{known.role.value} {known.name!r} may not ask for {type(call).__name__}",
        "use an administrator's key: --key FILE or LEPTON_EDGE_KEY (lepton-edge client key create NAME --admin)",
    )


def check_known(who: Identity | None) -> None:
    """Raise Unauthenticated for somebody without a certificate."""
    _known(who)


def check_attach(who: Identity | None, device: DeviceId) -> None:
    """Raise Unauthenticated or PermissionDenied unless `who` is the agent of `device`."""
    known = _known(who)
    if known.role is not Role.AGENT or known.name != device:
        raise PermissionDenied(
            f"{known.role.value} {known.name!r} may not attach as {device!r}",
            "start the agent under the name that it joined with, or join anew",
        )


def check_fetch(who: Identity | None) -> None:
    """Raise Unauthenticated or PermissionDenied unless `who` may have parts of models."""
    known = _known(who)
    if known.role is not Role.AGENT and not known.may_administer():
        raise PermissionDenied(f"{known.role.value} {known.name!r} may not fetch models", "agents may")


def check_renew(who: Identity | None) -> Identity:
    """Return who asks for another certificate; raise Unauthenticated for somebody without one."""
    return _known(who)


def shown(who: Identity | None, told: m.Description) -> m.Description:
    """Return what of a description `who` may see: of models its own, without a certificate a version."""
    if who is None:
        return dataclasses.replace(told, name="", entries=(), near="", serving=(), doors=())
    serving = tuple(one for one in told.serving if who.may_infer(one.model))
    return dataclasses.replace(told, serving=serving)


def changes(call: m.AdminCall) -> bool:
    """Say whether a call is more than a look."""
    return not isinstance(call, READS) and not getattr(call, "dry_run", False)


def subject(call: m.AdminCall) -> str:
    """Return the name of what a call is about; "" where it has none."""
    named = (getattr(call, field, "") for field in ("name", "device", "token"))
    return next((str(one) for one in named if one), "")


def _known(who: Identity | None) -> Identity:
    if who is None:
        raise Unauthenticated(
            "nobody is known here without a certificate",
            "an agent joins (lepton-edge agent join), a person gives a key (--key FILE or LEPTON_EDGE_KEY)",
        )
    return who
