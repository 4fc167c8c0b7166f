"""The tokenizer cuts words as BERT's reference does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from examples.demo.minilm import model_folder
from examples.demo.wordpiece import MAX_TOKENS, WordPiece


@pytest.fixture(scope="module")
def tokenizer() -> WordPiece:
    return WordPiece(model_folder() / "vocab.txt")


@pytest.mark.parametrize(
    ("sentence", "tokens"),
    [
        ("embeddings", ["em", "##bed", "##ding", "##s"]),
        ("Hello, World!", ["hello", ",", "world", "!"]),
        ("Caf\u00e9 na\u00efve", ["cafe", "naive"]),
        ("don't pay $5", ["don", "'", "t", "pay", "$", "5"]),
        ("\u6771\u4eac", ["\u6771", "\u4eac"]),
        ("a\tb\u00a0c\x00d\u200b", ["a", "b", "cd"]),
        ("x" * 101, ["[UNK]"]),
        ("\U0001f9ff", ["[UNK]"]),
        ("", []),
    ],
)
def test_words_are_cut_as_published(tokenizer: WordPiece, sentence: str, tokens: list[str]) -> None:
    assert tokenizer.tokens(sentence) == tokens


def test_a_batch_is_padded_and_masked(tokenizer: WordPiece) -> None:
    fed = tokenizer.encode(["hello", "hello world"])

    np.testing.assert_array_equal(fed["input_ids"], [[101, 7592, 102, 0], [101, 7592, 2088, 102]])
    np.testing.assert_array_equal(fed["attention_mask"], [[1, 1, 1, 0], [1, 1, 1, 1]])
    assert {array.dtype for array in fed.values()} == {np.dtype(np.int64)}


def test_a_long_text_is_cut_to_what_the_model_holds(tokenizer: WordPiece) -> None:
    ids = tokenizer.encode(["word " * 1000])["input_ids"]

    assert ids.shape == (1, MAX_TOKENS)
    assert ids[0, -1] == 102


def test_a_piece_that_fits_nowhere_makes_the_word_unknown(tmp_path: Path) -> None:
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\nab\n##c\n", encoding="utf-8")
    tokenizer = WordPiece(vocabulary)

    assert tokenizer.tokens("abc abcc abd") == ["ab", "##c", "ab", "##c", "##c", "[UNK]"]
