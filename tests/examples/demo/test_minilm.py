"""The hand-built MiniLM means what it should, minds its mask everywhere, and equals a numpy BERT."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from examples.demo import minilm, safetensors_file
from examples.demo.minilm import model_folder
from examples.demo.wordpiece import WordPiece

SENTENCES = (
    "A man is eating food.",
    "A man is eating a piece of bread.",
    "How do I reset my password?",
    "I forgot my login credentials and need a new password.",
    "That is a happy person",
    "That is a very happy person",
)


@pytest.fixture(scope="module")
def tokenizer() -> WordPiece:
    return WordPiece(model_folder() / "vocab.txt")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("minilm") / "minilm.onnx"
    assert minilm.main([str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def session(path: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options)


def test_meanings_lie_where_the_authors_say(session: Any, tokenizer: WordPiece) -> None:
    (embeddings,) = session.run(["sentence_embedding"], tokenizer.encode(SENTENCES))

    likeness = embeddings @ embeddings.T
    np.testing.assert_allclose(np.diag(likeness), 1, rtol=1e-5)
    # Published with the model: 0.755 and 0.943.
    assert likeness[0, 1] == pytest.approx(0.7553, abs=2e-3)
    assert likeness[2, 3] > 0.7
    assert likeness[4, 5] == pytest.approx(0.943, abs=2e-3)
    pairs = likeness.reshape(3, 2, 3, 2).max(axis=(1, 3))
    assert pairs[~np.eye(3, dtype=bool)].max() < 0.1


def test_it_equals_a_plain_numpy_bert(session: Any, tokenizer: WordPiece) -> None:
    fed = tokenizer.encode(SENTENCES[:3])

    (hidden,) = session.run(["last_hidden_state"], fed)

    weights = safetensors_file.load(model_folder() / "model.safetensors")
    expected = numpy_bert(weights, fed["input_ids"], fed["attention_mask"])
    assert abs(hidden - expected).max() < 1e-4


def test_padding_changes_nothing(session: Any, tokenizer: WordPiece) -> None:
    alone = session.run(["sentence_embedding"], tokenizer.encode(SENTENCES[:1]))[0]

    padded = session.run(["sentence_embedding"], tokenizer.encode(SENTENCES))[0]

    np.testing.assert_allclose(padded[:1], alone, atol=1e-5)


def test_the_mask_is_read_by_every_layer(path: Path) -> None:
    graph = onnx.load(path, load_external_data=False).graph
    bias = next(node.output[0] for node in graph.node if node.name == "/mask/Mul")

    readers = [node.name for node in graph.node if bias in node.input]

    assert readers == [f"/encoder/layer/{index}/attention/self/Add" for index in range(6)]


@pytest.mark.parametrize(("batch", "length"), [(1, 1), (1, 512), (5, 3)])
def test_both_lengths_are_free(session: Any, batch: int, length: int) -> None:
    ids = np.full((batch, length), 2088, np.int64)

    hidden, embedding = session.run(
        None, {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    )

    assert hidden.shape == (batch, length, 384)
    assert embedding.shape == (batch, 384)


def numpy_bert(
    weights: dict[str, Any], ids: NDArray[np.int64], mask: NDArray[np.int64]
) -> NDArray[np.float64]:
    """BERT as in the paper, in float64, masked by minus infinity: the oracle of the ONNX graph."""
    w = {name: np.asarray(value, np.float64) for name, value in weights.items() if value.dtype == np.float32}

    def dense(x: Any, name: str) -> Any:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(x: Any, name: str) -> Any:
        centered = x - x.mean(-1, keepdims=True)
        scaled = centered / np.sqrt((centered**2).mean(-1, keepdims=True) + 1e-12)
        return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]

    def heads(x: Any) -> Any:
        return x.reshape(*x.shape[:2], 12, 32).swapaxes(1, 2)

    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.token_type_embeddings.weight"][0]
    x = norm(x + w["embeddings.position_embeddings.weight"][: ids.shape[1]], "embeddings.LayerNorm")
    for index in range(6):
        layer = f"encoder.layer.{index}"
        q, k, v = (heads(dense(x, f"{layer}.attention.self.{part}")) for part in ("query", "key", "value"))
        scores = np.where(mask[:, None, None, :], q @ k.swapaxes(2, 3) / math.sqrt(32), -np.inf)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        seen = (shares / shares.sum(-1, keepdims=True) @ v).swapaxes(1, 2).reshape(x.shape)
        x = norm(x + dense(seen, f"{layer}.attention.output.dense"), f"{layer}.attention.output.LayerNorm")
        wide = dense(x, f"{layer}.intermediate.dense")
        wide *= 0.5 * (1 + np.vectorize(math.erf)(wide / math.sqrt(2)))
        x = norm(x + dense(wide, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
    return np.asarray(x)
