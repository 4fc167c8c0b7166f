"""torch modules, exported programs and .pt2 files become ONNX at the one door."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lepton_edge.compress import evaluate  # noqa: E402
from lepton_edge.compress.errors import CompressionRefused  # noqa: E402
from lepton_edge.compress.sources import open_model  # noqa: E402
from partitioner.errors import InvalidModel  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def module() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 5)
    )


EXAMPLE = (np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype(np.float32),)


def answers_alike(given: Any, made: Any) -> None:
    x = torch.from_numpy(EXAMPLE[0])
    name = made.model.graph.input[0].name
    (found,) = evaluate.Runner(made.model).run({name: EXAMPLE[0]}).values()
    np.testing.assert_allclose(found, given(x).detach().numpy(), rtol=1e-4, atol=1e-5)


def test_a_module_with_its_arguments() -> None:
    given = module()
    answers_alike(given.eval(), open_model(given, (torch.from_numpy(EXAMPLE[0]),)))


def test_every_part_of_a_module_keeps_the_mode_that_it_had() -> None:
    given = torch.nn.Sequential(torch.nn.Dropout(0.5), module()).train()
    given[1].eval()
    modes = [part.training for part in given.modules()]
    found = open_model(given, (torch.from_numpy(EXAMPLE[0]),)).model
    assert [part.training for part in given.modules()] == modes
    assert "Dropout" not in {node.op_type for node in found.graph.node}


class TwoInputs(torch.nn.Module):  # type: ignore[misc]
    def forward(self, image: Any, mask: Any = None) -> Any:
        return image if mask is None else image * mask


def test_inputs_are_called_as_the_arguments_of_forward() -> None:
    x = torch.from_numpy(EXAMPLE[0])
    found = open_model(TwoInputs(), (x, x)).model
    assert [one.name for one in found.graph.input] == ["image", "mask"]
    assert [one.name for one in open_model(module(), (x,)).model.graph.input] == ["input"]


class Answers(torch.nn.Module):  # type: ignore[misc]
    """Answers as it is told."""

    def __init__(self, shape: Any) -> None:
        super().__init__()
        self.layer, self.shape = torch.nn.Linear(8, 8), shape

    def forward(self, image: Any) -> Any:
        return self.shape(self.layer(image), image)


class Pair(NamedTuple):
    first: Any
    second: Any


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        (lambda made, given: made, ["output"]),
        (lambda made, given: (made, made + 1), ["output_0", "output_1"]),
        (lambda made, given: Pair(made, made + 1), ["first", "second"]),
        (lambda made, given: {"logits": made, "features": made + 1}, ["logits", "features"]),
        (lambda made, given: {"image": made}, None),  # an input is called so
    ],
)
def test_outputs_are_called_as_the_module_calls_them(shape: Any, names: list[str] | None) -> None:
    found = [
        one.name for one in open_model(Answers(shape), (torch.from_numpy(EXAMPLE[0]),)).model.graph.output
    ]
    assert found == names if names is not None else "image" not in found


def test_the_output_of_an_exported_program_has_a_name() -> None:
    program = torch.export.export(module().eval(), (torch.from_numpy(EXAMPLE[0]),))
    assert [one.name for one in open_model(program).model.graph.output] == ["output"]


def test_a_module_without_arguments_is_refused() -> None:
    with pytest.raises(CompressionRefused, match="example"):
        open_model(module())


def test_an_exported_program_and_its_file(tmp_path: Path) -> None:
    given = module().eval()
    program = torch.export.export(given, (torch.from_numpy(EXAMPLE[0]),))
    answers_alike(given, open_model(program))
    torch.export.save(program, str(tmp_path / "net.pt2"))
    found = open_model(tmp_path / "net.pt2")
    answers_alike(given, found)
    assert found.name == "net.pt2"


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(InvalidModel, match="a dict is no model"):
        open_model({})


def test_what_is_no_pt2_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.pt2").write_bytes(b"nothing")
    with pytest.raises(InvalidModel, match=r"net\.pt2"):
        open_model(tmp_path / "net.pt2")
