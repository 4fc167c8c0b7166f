"""The document of a plan as one HTML page that opens offline: `page(document) -> str`.

Law: this room knows the document's keys and no noun of the planner; the standard library is all it needs. It
computes geometry and units for people only. Every word of the document passes `markup.tag`, which escapes it:
a model may call a layer `</script><img onerror=...>`. Nothing on the page comes from another place, and the
page's own policy (CSP) forbids it. A document of an older coordinator renders too: what is missing is left out.
"""

from __future__ import annotations

from partitioner.report.html.assembly import page

__all__ = ["page"]
