"""Words to token ids, as BERT's uncased models want them.

Law: the published algorithm (lower case, accents off, punctuation apart, greedy longest pieces) for one
sentence or a padded batch; no model knowledge beyond the vocabulary file. Source: Devlin et al., "BERT",
2018, and its reference tokenizer.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

MAX_WORD: Final = 100
MAX_TOKENS: Final = 512


class WordPiece:
    """Turns sentences into token ids with the vocabulary of one model."""

    def __init__(self, vocabulary: Path) -> None:
        words = vocabulary.read_text(encoding="utf-8").splitlines()
        self._ids = {word: index for index, word in enumerate(words)}

    def tokens(self, sentence: str) -> list[str]:
        """Return the pieces of a sentence; continuations start with ##, unknown words are [UNK]."""
        return [piece for word in _words(sentence) for piece in self._pieces(word)]

    def encode(self, sentences: Sequence[str]) -> dict[str, NDArray[np.int64]]:
        """Return `input_ids`, `attention_mask` and `token_type_ids`, int64 [sentences, longest], padded."""
        rows = [["[CLS]", *self.tokens(sentence)[: MAX_TOKENS - 2], "[SEP]"] for sentence in sentences]
        ids = np.full((len(rows), max(map(len, rows), default=0)), self._ids["[PAD]"], np.int64)
        mask = np.zeros_like(ids)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = [self._ids[piece] for piece in row]
            mask[index, : len(row)] = 1
        return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}

    def _pieces(self, word: str) -> list[str]:
        pieces: list[str] = []
        start = 0
        while start < len(word) <= MAX_WORD:
            piece = self._longest(word, start)
            if piece is None:
                return ["[UNK]"]
            pieces.append(piece)
            start += len(piece) - (2 if start else 0)
        return pieces or ["[UNK]"]

    def _longest(self, word: str, start: int) -> str | None:
        prefix = "##" if start else ""
        candidates = (prefix + word[start:end] for end in range(len(word), start, -1))
        return next((piece for piece in candidates if piece in self._ids), None)


def _words(sentence: str) -> Iterator[str]:
    plain = unicodedata.normalize("NFD", sentence.lower())
    spaced = "".join(_spaced(char) for char in plain if unicodedata.category(char) != "Mn")
    yield from spaced.split()


def _spaced(char: str) -> str:
    """Set punctuation and Chinese characters apart, make white space blanks, drop control characters."""
    category = unicodedata.category(char)
    if char.isspace():
        return " "
    if category.startswith("C"):
        return ""
    # Like the reference: all ASCII that is neither letter nor digit counts as punctuation.
    alone = (
        category.startswith("P") or (char.isascii() and not char.isalnum()) or "\u4e00" <= char <= "\u9fff"
    )
    return f" {char} " if alone else char
