"""`lepton-edge infer`: one request from the command line, or many.

Law: says which files go where and how answers are told; the requests themselves are the client's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lepton_edge.cli import latency
from lepton_edge.cli.absent import name_absent
from lepton_edge.cli.answers import document, render
from lepton_edge.cli.archives import check_place, save_arrays
from lepton_edge.cli.connect import client
from lepton_edge.cli.inputs import Asked, requests_of
from lepton_edge.cli.many import How, make_folder, print_each, print_figures
from lepton_edge.cli.options import CoordinatorOption, Format, FormatOption, ModelArgument, examples
from lepton_edge.cli.output import print_document
from lepton_edge.client import Client
from lepton_edge.client.streaming import IN_FLIGHT, MOST_IN_FLIGHT
from lepton_edge.core.errors import Unavailable, UsageError

app = typer.Typer(add_completion=False)

FilesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="FILE", help="Files for the model's only input, one request each."),
]
InputsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        "-i",
        metavar="[INPUT=]FILE",
        help="A picture, an .npy, or an .npz with every input; a folder or a quoted pattern is many. Repeatable.",
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Write the outputs to this .npz; of many requests, to this folder."),
]
InFlightOption = Annotated[
    int | None,
    typer.Option(
        min=1, max=MOST_IN_FLIGHT, help=f"Requests at a time: {IN_FLIGHT} for many files, 1 with --repeat."
    ),
]


@app.command(
    epilog=examples(
        "lepton-edge infer mobilenetv2 coffee.jpg",
        "lepton-edge infer mobilenetv2 'pictures/*.jpg' --output answers",
        "lepton-edge infer net --input x=a.npy --input mask=b.npy --format json",
        "lepton-edge infer net a.jpg --key app.pem --coordinator 192.168.1.20:8010",
    )
)
def infer(
    name: ModelArgument,
    files: FilesArgument = None,
    given: InputsOption = None,
    output: OutputOption = None,
    *,
    deadline: Annotated[
        float | None, typer.Option(help="Seconds within which an answer must be here.")
    ] = None,
    page: Annotated[
        str, typer.Option(help='Pin one page of the plan book ("local", "cloud-jpeg", ...).')
    ] = "",
    in_flight: InFlightOption = None,
    unordered: Annotated[bool, typer.Option("--unordered", help="Print answers as they come.")] = False,
    repeat: Annotated[
        int, typer.Option(min=1, help="Make every request so often, and print what they took.")
    ] = 1,
    coordinator: CoordinatorOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Run a model on a picture or on arrays, or on many of them, several at a time."""
    wanted = [*(given or ()), *(files or ())]
    if not wanted:
        raise UsageError("no input was given", "name a file, or --input NAME=FILE")
    flight = in_flight or (1 if repeat > 1 else IN_FLIGHT)
    how = How(name, deadline, page, flight, not unordered)
    with client(coordinator) as asked:
        requests = _checked(asked, name, wanted, output)
        try:
            if repeat > 1:
                print_figures(asked, requests * repeat, how, form, latency.render)
            elif len(requests) > 1:
                print_each(asked, requests, how, form, output and make_folder(output))
            else:
                _print_one(asked, requests[0], how, form, output)
        except Unavailable as error:
            raise name_absent(asked, error) from error


def _checked(asked: Client, name: str, wanted: list[str], output: Path | None) -> list[Asked]:
    """Return the requests when their outputs can be written, before anything is computed for them."""
    requests = requests_of(asked, name, wanted)
    if output is not None and len(requests) == 1:
        check_place(output)
    return requests


def _print_one(asked: Client, request: Asked, how: How, form: Format, output: Path | None) -> None:
    result = asked.infer(how.model, request.read(), deadline=how.deadline, page=how.page)
    if output is not None:
        save_arrays(output, result.outputs)
    print_document(document(result), form, render)
