"""The demo's tables, for a person; and the same as one JSON value.

Law: renders what was measured; measures and decides nothing.
"""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from examples.demo.journey import APPLICATION, APPLICATION_LOCAL, EXPECTED, Act, Journey, Loss
from examples.demo.measure import Timing, as_json
from partitioner.report.terminal import render, size


def show_act(act: Act, console: Console) -> None:
    """Print the plan with its reason, then what every way was predicted and measured to take."""
    console.rule(
        f"[bold]{act.title}[/]  ({act.conditions.rate:g} Mbit/s, {act.conditions.delay:g} ms each way)"
    )
    render(act.plan, console)
    console.print()
    console.print(_table(act))
    console.print(Text(_verdict(act)))
    console.print()


def _table(act: Act) -> Table:
    table = Table(title="Predicted and measured (ms, median)", title_justify="left", pad_edge=False)
    for heading in ("", "way"):
        table.add_column(heading)
    for heading in ("sent", "predicted", "measured", "requests"):
        table.add_column(heading, justify="right")
    table.add_column("coffee is / camera is")
    for row in act.plan["candidates"]:
        if row["page"] in act.timings:
            table.add_row(
                *_page_row(row, act.timings[row["page"]]), style="bold green" if row["chosen"] else ""
            )
    for name in (APPLICATION, APPLICATION_LOCAL):
        if name in act.timings:
            one = act.timings[name]
            where = f"{name} (answered by {'/'.join(sorted(one.ran_on))})"
            table.add_row(
                "", where, "", "", _ms(one.median), str(len(one.seconds)), _answers(one), style="cyan"
            )
    return table


def _page_row(row: dict[str, Any], timing: Timing) -> list[str]:
    predicted = row["predicted"]
    label = row["label"] + (" (best cut)" if row["best_cut"] else "")
    return [
        "->" if row["chosen"] else "",
        f"{label} [{row['page']}]".replace("[", "\\["),
        size(predicted["bytes_up"]),
        _ms(predicted["latency"]),
        _ms(timing.median),
        str(len(timing.seconds)),
        _answers(timing),
    ]


def _answers(timing: Timing) -> str:
    return " / ".join(timing.answers.get(name, "-") for name in EXPECTED)


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f}"


def _verdict(act: Act) -> str:
    best, chosen = act.best_measured(), act.plan["page"]
    took = act.timings[chosen].median
    lines = [f"Of the pages that may run, {best} was the fastest measured"]
    lines.append(
        ", as planned."
        if best == chosen
        else f"; the chosen page, {chosen}, took {took / act.timings[best].median:.2f}x as long."
    )
    beside = (name for name in (APPLICATION, APPLICATION_LOCAL) if name in act.timings)
    lines += [_beside(name, act.timings[name], took) for name in beside]
    return "".join(lines)


def _beside(name: str, timing: Timing, took: float) -> str:
    """Compare with an application that a good engineer would write instead; it has int8, the pages are fp32."""
    other = timing.median
    word = "slower" if other > took else "FASTER"
    ratio = max(other, took) / min(other, took)
    return f"\n  The {name} took {_ms(other)} ms: {ratio:.2f}x {word} than the chosen page."


def show_board(journey: Journey, console: Console) -> None:
    """Print how the board is slowed, loudly."""
    console.print(
        Text(
            f"The board is SIMULATED: at its own speed it takes {_ms(journey.native)} ms for a picture alone, with "
            f"--simulate-slow {journey.slowdown:g} it takes {_ms(journey.alone)} ms (framing is not slowed).",
            style="bold yellow",
        )
    )


def show_flip(act: Act, console: Console) -> None:
    """Print the slowdown at which the choice flips under this act's link."""
    flip = act.plan["changes"].get("slowdown_flip")
    text = "at no slowdown" if flip is None else f"at a slowdown of K = {flip:.2f}"
    console.print(Text(f"On {act.title} the choice flips between board and cloud {text}.\n"))


def show_loss(loss: Loss, console: Console) -> None:
    """Print what became of the request that was in flight."""
    console.rule("[bold]The cloud agent was killed while a request was in flight[/]")
    result = loss.result
    console.print(
        Text(
            f"Killed {_ms(loss.killed_after)} ms into the request. "
            f"It was answered all the same: {loss.answer}, by page {result.page}, "
            f"in {_ms(result.latency)} ms (with the cloud on this link: {_ms(loss.usual)} ms). "
            f"The board went on from the blocks that it had done.\n{result.reason}"
        )
    )


def show_end(acts: list[Act], console: Console) -> None:
    """Print the choices in one place, and what to try next."""
    console.rule("[bold]In short[/]")
    for act in acts:
        label = next(row["label"] for row in act.plan["candidates"] if row["chosen"])
        took = act.timings[act.plan["page"]].median
        console.print(Text(f"  {act.title}: {label}, {_ms(took)} ms measured"))
    console.print(
        Text(
            "The application's int8 model is not among the pages, which are all fp32.\n"
            "Next: README.md, 'By hand, in three terminals', with what lies in .demo/ingredients."
        )
    )


def as_document(journey: Journey, acts: list[Act], loss: Loss) -> dict[str, Any]:
    """Return everything that is shown, as plain values."""
    return {
        "schema": "lepton-edge/demo/1",
        "board": {"simulated_slowdown": journey.slowdown, "native_ms": round(journey.native * 1e3, 2)},
        "acts": [
            {
                "title": act.title,
                "link": {"megabits": act.conditions.rate, "delay_ms": act.conditions.delay},
                "keep_input_on_board": act.keep_input,
                "plan": act.plan,
                "measured": as_json(act.timings),
                "best_measured": act.best_measured(),
            }
            for act in acts
        ],
        "cloud_killed": {
            "after_ms": round(loss.killed_after * 1e3, 2),
            "answer": loss.answer,
            "page": loss.result.page,
            "reason": loss.result.reason,
            "latency_ms": round(loss.result.latency * 1e3, 2),
            "usual_ms": round(loss.usual * 1e3, 2),
        },
    }
