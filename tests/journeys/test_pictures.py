"""Real models with real weights: photographs and sentences come out right on every page of their books."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import Image

import lepton_edge
from examples.demo import minilm
from examples.demo.prepare import Ingredients, prepare
from examples.demo.wordpiece import WordPiece
from examples.thirty_lines.picture import preprocess

pytestmark = pytest.mark.journey

MODEL = "mobilenetv2"
EXPECTED = {"coffee": "espresso", "camera": "tripod"}
STANDING = {"local", "cloud-raw", "cloud-jpeg", "cloud-encoded"}
GIVEN_AWAY = {"input", "input@resized", "input@picture", "input@encoded"}
TOLERANCE = 1e-5  # of the largest output, by lossless codecs


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Ingredients:
    return prepare(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def photographs(things: Ingredients) -> dict[str, Path]:
    return {path.stem: path for path in things.pictures if path.stem in EXPECTED}


@pytest.fixture(scope="module")
def town(lasting: Any, things: Ingredients) -> Any:
    """A coordinator, a slowed board, a cloud; the demo's model pushed and deployed by the command line."""
    lasting.start_coordinator()
    lasting.start_agent("board", "board", "--simulate-slow", "3")
    lasting.start_agent("cloud", "cloud")
    samples = str(things.samples[0].parent)
    push = ["model", "push", MODEL, str(things.model), "--manifest", str(things.manifest)]
    assert lasting.json(*push, "--samples", samples)["model"] == MODEL
    lasting.done = lasting.json("deploy", MODEL)
    return lasting


def pages(plan: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the pages of the book, by name."""
    return {row["page"]: row for row in plan["candidates"] if row["in_book"]}


def pixels(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(path.read_bytes())).convert("RGB"))


def test_the_profile_holds_both_devices_layer_by_layer(town: Any) -> None:
    told = {one["device"]: one for one in town.json("profile", "show", MODEL)["devices"]}
    assert sorted(told) == ["board", "cloud"]
    assert told["board"]["simulated_slowdown"] == 3.0
    for one in told.values():
        profile = one["profile"]
        assert sum(layer["share"] for layer in profile["layers"]) == pytest.approx(1, abs=0.02)
        assert profile["segments"]
        assert [pseudo["node"] for pseudo in profile["pseudo"]]
    board, cloud = (told[name]["profile"]["whole"]["median"] for name in ("board", "cloud"))
    assert board > 1.5 * cloud, "it is simulated 3x slower"


def test_the_plan_explains_itself(town: Any) -> None:
    plan = town.json("plan", "explain", MODEL)
    book = pages(plan)
    assert set(book) >= STANDING
    assert any(name.startswith("cut-") for name in book)
    assert (plan["page"], plan["reason"]) == (town.done["page"], town.done["reason"])
    eligible = [row for row in book.values() if row["eligible"]]
    assert min(eligible, key=lambda row: row["predicted"]["latency"])["page"] == plan["page"]
    assert 0 < plan["bound"]["lower_bound"] <= book[plan["page"]]["predicted"]["latency"]


def test_the_plan_says_what_each_page_shows_of_the_pictures(town: Any) -> None:
    told = town.json("plan", "explain", MODEL, "--privacy")["privacy"]
    rows = {row["page"]: row for row in told["cuts"]}
    assert told["samples"] == 32
    assert rows["cloud-raw"]["sends_input"]
    cuts = [row for row in rows.values() if not row["sends_input"]]
    assert cuts
    assert all(0 <= row["ssim"] <= 1 for row in cuts)
    assert len({row["blind"] for row in cuts}) == 1
    assert "no proof of privacy" in town.command("plan", "explain", MODEL, "--privacy")


@pytest.mark.parametrize("picture", EXPECTED)
@pytest.mark.parametrize("page", ["", "cloud-jpeg", "cloud-encoded", "cloud-raw", "best cut"])
def test_a_photograph_by_hand(
    town: Any, photographs: dict[str, Path], tmp_path: Path, picture: str, page: str
) -> None:
    page = town.done["plan"]["best_cut"] if page == "best cut" else page
    out, pinned = tmp_path / "out.npz", ("--page", page) if page else ()
    told = town.json("infer", MODEL, "--input", str(photographs[picture]), "--output", str(out), *pinned)
    assert told["labels"][0]["label"] == EXPECTED[picture]
    assert told["page"] == (page or town.done["page"])
    with np.load(out) as saved:
        assert saved["logits@scores"].shape == saved["logits@indices"].shape == (1, 5)
        assert saved["logits@scores"][0, 0] == pytest.approx(told["labels"][0]["score"])
        assert saved["logits@indices"][0, 0] == told["labels"][0]["index"]


def test_every_page_names_every_photograph(town: Any, photographs: dict[str, Path]) -> None:
    book = pages(town.json("plan", "explain", MODEL))
    with lepton_edge.Client(town.coordinator) as client:
        for page in book:
            for name, path in photographs.items():
                result = client.infer(MODEL, {"input": path}, page=page)
                assert result.page == page, result.reason
                assert result.labels[0].label == EXPECTED[name], page
                devices = [hop.device for hop in result.hops]
                assert devices == ["client", "board"] + ([] if page == "local" else ["cloud"])


def test_the_same_pixels_get_the_same_answer(town: Any, photographs: dict[str, Path]) -> None:
    with lepton_edge.Client(town.coordinator) as client:
        for page in ("local", "cloud-raw"):
            for path in photographs.values():
                encoded = client.infer(MODEL, {"input": path.read_bytes()}, page=page)
                decoded = client.infer(MODEL, {"input": pixels(path)}, page=page)
                assert same(encoded["logits@scores"], decoded["logits@scores"])
                np.testing.assert_array_equal(encoded["logits@indices"], decoded["logits@indices"])


def test_an_array_of_the_models_own_is_answered_as_by_the_file_that_was_pushed(
    town: Any, things: Ingredients, photographs: dict[str, Path]
) -> None:
    book = pages(town.json("plan", "explain", MODEL))
    whole = onnxruntime.InferenceSession(str(things.model))
    with lepton_edge.Client(town.coordinator) as client:
        for name, path in photographs.items():
            array = preprocess(path.read_bytes())
            logits = whole.run(None, {"input": array})[0][0].astype(np.float64)
            scores = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
            for page in book:
                result = client.infer(MODEL, {"input": array}, page=page)
                assert result.labels[0].label == EXPECTED[name], page
                # a cut behind the input's door may be quantized; before it the array travels as it is
                if not page.startswith("cut-"):
                    assert same(result["logits@scores"][0], np.sort(scores)[::-1][:5]), page


def test_status_fits_one_screen(town: Any) -> None:
    told = town.command("status")
    assert len(told.splitlines()) <= 40
    assert all(word in told for word in ("board", "cloud", MODEL, town.done["page"]))


def test_sentences_of_any_length_mean_the_same_on_every_page(town: Any, tmp_path: Path) -> None:
    path = tmp_path / "minilm.onnx"
    onnx.save(minilm.build(), str(path))
    whole = onnxruntime.InferenceSession(str(path))
    encode = WordPiece(minilm.model_folder() / "vocab.txt").encode
    short, long = (
        "A cup of coffee.",
        "A photographer with a camera on a tripod waits for the light to change.",
    )
    shapes = [word for one in whole.get_inputs() for word in ("--shape", f"{one.name}=1x16")]
    town.json("model", "push", "minilm", str(path), *shapes)
    book = pages({"candidates": town.json("deploy", "minilm")["plan"]["candidates"]})
    assert set(book) >= {"local", "cloud-raw"}
    with lepton_edge.Client(town.coordinator) as client:
        for sentences in ([short], [long], [short, long]):
            inputs = encode(sentences)
            names = [one.name for one in whole.get_outputs()]
            expected = dict(zip(names, whole.run(names, inputs), strict=True))
            for page in book:
                result = client.infer("minilm", inputs, page=page)
                assert result.page == page, result.reason
                for name, array in expected.items():
                    # pushed without samples, so that no codec may lose anything
                    assert same(result[name], array), (page, name)


def test_an_input_that_is_kept_on_the_board_is_given_away_by_no_page(
    town: Any, photographs: dict[str, Path]
) -> None:
    before = town.json("plan", "explain", MODEL)
    assert town.json("deploy", MODEL, "--keep-input-on-board")["epoch"] > town.done["epoch"]
    plan = town.json("plan", "explain", MODEL)
    book = pages(plan)
    assert not STANDING & set(book) - {"local"}
    assert any(name.startswith("cut-") for name in book)
    for page, row in book.items():
        assert not GIVEN_AWAY & {one["tensor"] for one in row["frontier"]}, page
    with lepton_edge.Client(town.coordinator) as client:
        for page in book:
            for name, path in photographs.items():
                result = client.infer(MODEL, {"input": path}, page=page)
                assert (result.page, result.labels[0].label) == (page, EXPECTED[name])
        for page in set(pages(before)) & {"cloud-raw", "cloud-encoded"}:
            with pytest.raises(lepton_edge.errors.UnknownPage):
                client.infer(MODEL, {"input": photographs["coffee"]}, page=page)


def same(given: NDArray[Any], expected: NDArray[Any]) -> bool:
    """Return whether the largest difference is within the tolerance, by the largest expected value."""
    assert given.shape == expected.shape
    return float(np.abs(given - expected).max()) <= TOLERANCE * float(np.abs(expected).max())
