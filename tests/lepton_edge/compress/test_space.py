"""Which recipes are worth trying."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from onnx import ModelProto

from lepton_edge.compress import space as sp
from lepton_edge.compress.errors import CompressionRefused
from lepton_edge.compress.platforms import TARGETS
from lepton_edge.compress.recipe import Recipe, Step, Target, Value
from lepton_edge.compress.report import words
from lepton_edge.core.errors import NotFound
from tests.lepton_edge.compress import small


@dataclass
class Named(small.Does):
    """A technique that is only a name with choices."""

    act: Any = None
    choices: Mapping[str, tuple[Value, ...]] = field(default_factory=lambda: {"strength": (1, 2)})


@dataclass
class Fixed:
    """Chooses what it is told, else the first."""

    told: Mapping[str, Any]

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        value = self.told.get(name, choices[0])
        assert value in choices
        return value


def of(*names: str, objective: str = "latency") -> sp.Space:
    return sp.Space({name: Named(name) for name in names}, {}, objective)


def test_a_recipe_is_in_the_usual_order_with_all_options() -> None:
    found = of("clean", "prune", "static_int8", "half", "share")
    told = {"prune": True, "share": True, "precision": "static_int8", "prune/strength": 2}
    recipe = found.suggest(Fixed(told))
    assert [one.technique for one in recipe.steps] == ["clean", "prune", "static_int8", "share"]
    assert recipe.steps[1].options == {"strength": 2}


def test_one_precision_at_most_and_clean_always() -> None:
    assert words(
        of("clean", "static_int8", "half").suggest(Fixed({"precision": "half"}))
    ) == "clean + half(strength=1)".replace("clean", "clean(strength=1)")
    assert [one.technique for one in of("clean", "half").suggest(Fixed({})).steps] == ["clean"]


def test_the_order_is_searched_too() -> None:
    found = of("clean", "prune", "static_int8", "share")
    told = {"prune": True, "share": True, "precision": "static_int8"}

    def order(moved: str) -> list[str]:
        return [one.technique for one in found.suggest(Fixed({**told, "moved": moved})).steps]

    assert order("prune") == ["clean", "static_int8", "prune", "share"]
    assert order("share") == ["clean", "prune", "share", "static_int8"]


@pytest.mark.parametrize("objective", ["latency", "size"])
def test_known_good_recipes_are_of_the_space_and_the_plainest_first(objective: str) -> None:
    found = of(
        "clean", "prune_channels", "prune", "finetune", "static_int8", "half", "share", objective=objective
    )
    recipes = [found.suggest(Fixed(one)) for one in found.known_good()]
    called = [[step.technique for step in one.steps] for one in recipes]
    assert called[:3] == [["clean"], ["clean", "static_int8"], ["clean", "half"]]
    assert (["clean", "prune", "finetune", "static_int8", "share"] in called) is (objective == "size")
    assert all(step.options == {"strength": 1} for one in recipes for step in one.steps)


def test_own_techniques_are_searched_and_refusals_are_told() -> None:
    own = [Named("mine"), Named("sulks", reason="not today")]
    found = sp.space(small.classifier(), TARGETS["x86"], own, "latency", trained=False)
    assert "mine" in found.techniques
    assert found.refused["sulks"] == "not today"
    assert not sp.TRAINED & found.techniques.keys()


def test_an_extra_that_is_missing_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sp, "HOMES", {"clean": "clean:X"})
    monkeypatch.setattr(sp, "technique", lambda name: Named(name, extra="no_such_module"))
    found = sp.space(small.classifier(), TARGETS["x86"], [], "latency", trained=False)
    assert "lepton-edge[no_such_module]" in found.refused["clean"]


def test_a_recipe_is_completed_with_first_choices() -> None:
    own = {"mine": Named("mine")}
    assert sp.completed(Recipe((Step("mine"),)), own).steps[0].options == {"strength": 1}
    assert sp.completed(Recipe((Step("mine", {"strength": 5}),)), own).steps[0].options == {"strength": 5}
    with pytest.raises(CompressionRefused, match="no option 'weight'"):
        sp.completed(Recipe((Step("mine", {"weight": 5}),)), own)
    with pytest.raises(NotFound, match="no technique 'nobody'"):
        sp.completed(Recipe((Step("nobody"),)), own)
    assert sp.defaults([Recipe((Step("mine"), Step("gone")))], own) == {"mine": {"strength": 1}}


def test_what_follows_another_technique_is_judged_where_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sp, "find_spec", lambda name: object())
    found = sp.space(small.classifier(), TARGETS["x86"], (), "latency", trained=True)
    assert "static_int8" in found.techniques
    assert "qat" in found.techniques  # it refuses the bare model, and would never be tried
    alone = sp.space(small.classifier(), TARGETS["x86"], (), "latency", trained=False)
    assert "qat" not in alone.techniques


@pytest.mark.parametrize(
    ("technique", "option", "value", "words"),
    [
        ("static_int8", "ranges", "guess", "such as: percentile, mse, minmax"),
        ("static_int8", "equalize", "maybe", "such as: true, false"),
        ("static_int8", "equalize", 1, "such as: true, false"),
        ("static_int8", "keep_float", 3, "such as: a text"),
        ("prune", "sparsity", "much", "such as: 0.5"),
        ("prune", "sparsity", True, "such as: 0.5"),
        ("half", "compute", "float7", "such as: auto"),
    ],
)
def test_an_option_has_a_value_of_its_kind(technique: str, option: str, value: Any, words: str) -> None:
    with pytest.raises(CompressionRefused, match=f"{option!r} of {technique!r} cannot be .*{words}"):
        sp.completed(Recipe((Step(technique, {option: value}),)), {})


def test_numbers_and_names_are_free() -> None:
    given = (Step("static_int8", {"keep_float": "first|second"}), Step("prune", {"sparsity": 0.55}))
    assert [
        one.options[key]
        for one, key in zip(sp.completed(Recipe(given), {}).steps, ("keep_float", "sparsity"), strict=True)
    ] == ["first|second", 0.55]


def test_a_model_is_taught_after_it_lost_weights() -> None:
    order = [
        sp.STAGES.index(name) for name in ("prune_channels", "prune", "distill", "finetune", "static_int8")
    ]
    assert order == sorted(order)


@pytest.mark.parametrize(("objective", "searched"), [("latency", False), ("size", True)])
def test_what_saves_bytes_alone_is_searched_for_bytes(objective: str, searched: bool) -> None:
    found = sp.space(small.classifier(), TARGETS["x86"], (), objective, trained=False)
    assert ({"prune", "share"} <= found.techniques.keys()) is searched
    assert found.refused.get("prune") == (None if searched else "it saves bytes, and no time")


def test_a_step_of_ones_own_that_fails_to_say_whether_it_refuses_is_refused() -> None:
    class Broken(small.Does):
        def refuse(self, model: ModelProto, target: Target) -> str:
            raise AttributeError("no such thing")

    broken = Broken("broken", lambda model, materials: model)
    found = sp.space(small.classifier(), TARGETS["x86"], (broken,), "size", trained=False)
    assert "AttributeError: no such thing" in found.refused["broken"]
