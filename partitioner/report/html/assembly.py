"""The page from top to bottom: head, headline, sections in the order in which a person asks.

Law: as the room's. A section is a function of the document that returns None where it has nothing to say.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from partitioner.report.html.bandwidth import bandwidth
from partitioner.report.html.charts import landscape, pareto
from partitioner.report.html.drawing import drawing
from partitioner.report.html.exposure import exposure
from partitioner.report.html.headline import headline
from partitioner.report.html.markup import Markup, joined, tag
from partitioner.report.html.plans import plans, why_not
from partitioner.report.html.style import SCRIPT, STYLE
from partitioner.report.html.tables import changes, crossing, devices, memory, proof, variants

Document = dict[str, Any]

SECTIONS = (
    plans,
    variants,
    crossing,
    exposure,
    why_not,
    drawing,
    landscape,
    bandwidth,
    pareto,
    memory,
    changes,
    proof,
    devices,
)


def page(document: Document) -> str:
    """Return a whole HTML page, in UTF-8 when it is written, that explains the plan of `document`."""
    drawn = [section(document) for section in SECTIONS]
    body = tag(
        "body",
        headline(document),
        tag("main", tag("div", drawn, class_="grid")),
        _footer(document),
        tag("div", id="tip", hidden="", role="status"),
        tag("script", Markup(SCRIPT)),
    )
    return f"<!doctype html>\n{tag('html', _head(document), body, lang='en')}\n"


def _head(document: Document) -> Markup:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy()),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href="data:,"),  # or a browser asks a server for one
        tag("title", f"{document['model']}: {document['page']}"),
        tag("style", Markup(STYLE)),
    )


def _policy() -> str:
    """Allow this page's own script and style, and nothing from anywhere."""
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _footer(document: Document) -> Markup:
    known = [document.get("schema"), document.get("version") and f"version {document['version']}"]
    said = " · ".join(str(one) for one in known if one)
    words = "Times are predictions of the cost model unless they are called measured. "
    return tag("footer", joined([words, tag("code", said)]))
