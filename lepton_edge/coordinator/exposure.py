"""What a plan shows of its inputs, put beside its explanation where somebody asks for it.

Law: reads a plan's document, has a worker measure, and adds what came out; decides nothing. It takes seconds of a
worker, so only administrators may ask.
"""

from __future__ import annotations

from typing import Any

from lepton_edge.coordinator.jobs import Jobs
from lepton_edge.core import messages as m
from partitioner.report.exposure import PLAINLY
from partitioner.units import ModelName, ModelVersion

Json = dict[str, Any]


async def added(jobs: Jobs, call: m.AdminCall, document: Json) -> Json:
    """Return the document of a plan with "privacy" beside it, where the call asks for that; else as it is.

    "note" in it says that the figures are no proof: who reads JSON reads no sentence of a renderer.
    Raises what is wrong with the samples, as `partitioner.profile.privacy` does.
    """
    if not isinstance(call, m.ExplainPlan) or not call.privacy:
        return document
    model, version = ModelName(document["model"]), ModelVersion(document["version"])
    told = await jobs.privacy(model, version, cuts_of(document))
    return {**document, "privacy": {**told, "note": f"No privacy proof. {PLAINLY}"}}


def cuts_of(document: Json) -> dict[str, list[str]]:
    """Return by page what leaves the board, the page that serves first; of pages that send the same, one."""
    rows = sorted(document.get("candidates") or [], key=lambda row: row["page"] != document.get("page"))
    cuts: dict[str, list[str]] = {}
    for row in rows:
        tensors = [one["tensor"] for one in row.get("frontier") or []]
        if tensors and tensors not in cuts.values():
            cuts[row["page"]] = tensors
    return cuts
