"""`lepton-edge status`: everything on one screen.

Law: draws the coordinator's document.
"""

from __future__ import annotations

import typer
from rich.console import Console

from lepton_edge.cli import device, model
from lepton_edge.cli.connect import client
from lepton_edge.cli.options import CoordinatorOption, Format, FormatOption
from lepton_edge.cli.output import Column, Row, ago, milliseconds, print_document, table, text
from partitioner.report.terminal import megabits

app = typer.Typer(add_completion=False)


@app.command()
def status(*, coordinator: CoordinatorOption = None, form: FormatOption = Format.TABLE) -> None:
    """Show everything on one screen: coordinator, devices, models, plans, links."""
    with client(coordinator) as asked:
        print_document(asked.status(), form, render)


def _rate(key: str) -> Column:
    def read(row: Row) -> str:
        rate = row.get(key)
        return megabits(rate) if isinstance(rate, (int, float)) else ""

    return Column(key, read, right=True)


def _round_trip(row: Row) -> str:
    up, down = row.get("delay_up"), row.get("delay_down")
    return milliseconds(up + down) if isinstance(up, (int, float)) and isinstance(down, (int, float)) else ""


def _way(row: Row) -> str:
    """Return how the two meet, and loudly when they do not."""
    if "via" not in row:  # an older coordinator
        return ""
    way = f"through {row['via']}" if row["via"] else "direct"
    if row.get("connected") is False:
        return f"DOWN, {row.get('error') or 'no link yet'}"
    now = row.get("now_via")
    moved = now is not None and now != row.get("via", "")
    return f"{way}, now {f'through {now}' if now else 'direct'}" if moved else way


def _measured(row: Row) -> str:
    by, age = row.get("by"), row.get("age")
    return f"by {by}, {ago(age)}".removesuffix(", ") if by else ""


_MODELS = [column for column in model.MODELS if column.title in {"model", "version", "weights", "active"}]
_LINKS = (
    Column("from", text("device")),
    Column("to", text("peer")),
    _rate("up"),
    _rate("down"),
    Column("round trip ms", _round_trip, right=True),
    Column("way", _way),
    Column("measured", _measured),
)


def render(told: Row, console: Console) -> None:
    """Draw the whole screen."""
    console.print(_headline(told.get("coordinator", {})), style="bold")
    console.print()
    device.render_short(told, console)
    console.print()
    models = told.get("models", [])
    console.print(table(_MODELS, models) if models else model.NO_MODELS)
    links = told.get("links", [])
    if links:
        console.print()
        console.print(table(_LINKS, links))
    for one in told.get("drifted", []):
        console.print()
        console.print(
            f"{one.get('model')} on {one.get('device')} has DRIFTED: {one.get('why')}; "
            "the next deploy measures it again",
            style="bold yellow",
        )
    for line in _adapting(told.get("adapting", {})):
        console.print()
        console.print(line, soft_wrap=True, markup=False)
    _shout_if_simulated(told, console)


def _adapting(about: Row) -> list[str]:
    """Return which plans change by themselves, and what changed last."""
    targets = about.get("targets", [])
    if not targets:
        return []
    fixed = [_name(one) for one in targets if not one.get("on")]
    tried = [_name(one) for one in targets if one.get("on_trial")]
    line = "adapting: on" if len(fixed) < len(targets) else "adapting: off"
    line += f", not {', '.join(fixed)} (pinned or --no-adapt)" if fixed and line.endswith("on") else ""
    line += f"; on trial: {', '.join(tried)}" if tried else ""
    last = about.get("last")
    if last:
        line += f"; last change {ago(last.get('age'))}: {last.get('kind')} since {last.get('cause')}"
    return [f"{line} (see: lepton-edge events)"]


def _name(target: Row) -> str:
    return " for ".join(str(target[key]) for key in ("model", "board") if target.get(key))


def _headline(about: Row) -> str:
    line = f"coordinator: lepton-edge {about.get('software', '')}, up {about.get('uptime', 0.0):.0f} s"
    if about.get("deploying"):
        line += f", deploying {about['deploying']} ({about.get('phase')})"
    return line


def _shout_if_simulated(told: Row, console: Console) -> None:
    slowed = [row for row in told.get("devices", []) if device.simulated(row)]
    for row in slowed:
        console.print()
        console.print(
            f"{row.get('device')} is {device.simulated(row)}: its times are no real board's", style="bold red"
        )
