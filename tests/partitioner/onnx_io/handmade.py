"""Small graphs that hold, one each, what makes cutting hard. Every function returns a valid ONNX model.

Weights are seeded and varied, so that a wrong cut shows in the answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def node(
    operator: str, inputs: str, outputs: str, name: str = "", domain: str = "", **attributes: Any
) -> NodeProto:
    return helper.make_node(
        operator, inputs.split(), outputs.split(), name or outputs.split()[0], domain=domain, **attributes
    )


def value(name: str, shape: Sequence[int | str] | None, dtype: int = FLOAT) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


def weight(name: str, *shape: int, seed: int = 0, scale: float = 0.3) -> TensorProto:
    random = np.random.default_rng([seed, *name.encode()])
    return numpy_helper.from_array((random.standard_normal(shape) * scale).astype(np.float32), name)


def constant(name: str, content: Any, dtype: str = "int64") -> TensorProto:
    return numpy_helper.from_array(np.asarray(content, dtype), name)


def model(
    nodes: Sequence[NodeProto],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    initializers: Sequence[TensorProto] = (),
    *,
    opset: int = 18,
    contrib: bool = False,
) -> ModelProto:
    graph = helper.make_graph(nodes, "g", inputs, outputs, initializers)
    imports = [helper.make_opsetid("", opset)] + (
        [helper.make_opsetid("com.microsoft", 1)] if contrib else []
    )
    made = helper.make_model(graph, opset_imports=imports, ir_version=10)
    onnx.checker.check_model(made)
    return made


def body(nodes: Sequence[NodeProto], inputs: Sequence[ValueInfoProto], outputs: Sequence[ValueInfoProto],
         initializers: Sequence[TensorProto] = ()) -> GraphProto:  # fmt: skip
    return helper.make_graph(nodes, "body", inputs, outputs, initializers)


def mlp(prefix: str = "") -> ModelProto:
    """Three dense layers; names have slashes when `prefix` does."""
    nodes = [
        node("MatMul", f"x {prefix}w1", f"{prefix}a"),
        node("Add", f"{prefix}a {prefix}b1", f"{prefix}b"),
        node("Relu", f"{prefix}b", f"{prefix}c"),
        node("MatMul", f"{prefix}c {prefix}w2", f"{prefix}d"),
        node("Tanh", f"{prefix}d", f"{prefix}e"),
        node("MatMul", f"{prefix}e {prefix}w3", "y"),
    ]
    weights = [weight(f"{prefix}w1", 8, 32), weight(f"{prefix}b1", 32), weight(f"{prefix}w2", 32, 32),
               weight(f"{prefix}w3", 32, 10)]  # fmt: skip
    return model(nodes, [value("x", ["batch", 8])], [value("y", ["batch", 10])], weights)


def if_capturing() -> ModelProto:
    """An If whose branches capture an early activation, a weight, and (nested) one another's surroundings."""
    inner_then = body([node("Mul", "early w_if", "it")], [], [value("it", None)])
    inner_else = body([node("Add", "late early", "ie")], [], [value("ie", None)])
    then = body(
        [
            node("ReduceMax", "late", "peak", keepdims=0),
            node("Greater", "peak zero", "sharp"),
            node("If", "sharp", "t", then_branch=inner_then, else_branch=inner_else),
        ],
        [],
        [value("t", None)],
    )
    other = body(
        [node("MatMul", "late w_else", "m"), node("Sub", "m early", "e")],
        [],
        [value("e", None)],
        [weight("w_else", 32, 32)],
    )
    nodes = [
        node("MatMul", "x w1", "early"),
        node("Relu", "early", "r"),
        node("MatMul", "r w2", "late"),
        node("ReduceSum", "late", "sum", keepdims=0),
        node("Greater", "sum zero", "positive"),
        node("If", "positive", "z", then_branch=then, else_branch=other),
        node("MatMul", "z w3", "y"),
    ]
    weights = [weight("w1", 8, 32), weight("w2", 32, 32), weight("w3", 32, 10), weight("w_if", 32),
               constant("zero", 0, "float32")]  # fmt: skip
    return model(nodes, [value("x", [4, 8])], [value("y", [4, 10])], weights)


def loop_capturing() -> ModelProto:
    """A Loop that carries a state and captures an activation and a large weight from outside."""
    step = body(
        [
            node("MatMul", "state w_loop", "m"),
            node("Add", "m early", "s"),
            node("Tanh", "s", "state_out"),
            node("Identity", "going", "going_out"),
            node("ReduceSum", "state_out", "scan", keepdims=0),
        ],
        [value("iteration", [], INT64), value("going", [], BOOL), value("state", [4, 32])],
        [value("going_out", [], BOOL), value("state_out", [4, 32]), value("scan", [])],
    )
    nodes = [
        node("MatMul", "x w1", "early"),
        node("Relu", "early", "r"),
        node("MatMul", "r w2", "start"),
        node("Loop", "trips true start", "final scans", body=step),
        node("MatMul", "final w3", "y"),
        node("Softmax", "scans", "trace", axis=0),
    ]
    weights = [weight("w1", 8, 32), weight("w2", 32, 32), weight("w3", 32, 10), weight("w_loop", 32, 32),
               constant("trips", 3), constant("true", True, "bool")]  # fmt: skip
    return model(nodes, [value("x", [4, 8])], [value("y", [4, 10]), value("trace", [3])], weights)


def scan_capturing() -> ModelProto:
    """A Scan over rows that captures a weight."""
    step = body(
        [
            node("MatMul", "row w_scan", "m"),
            node("Add", "m state", "state_out"),
            node("Relu", "state_out", "out"),
        ],
        [value("state", [32]), value("row", [32])],
        [value("state_out", [32]), value("out", [32])],
    )
    nodes = [
        node("MatMul", "x w1", "rows"),
        node("Scan", "zero rows", "last outs", body=step, num_scan_inputs=1),
        node("MatMul", "outs w2", "y"),
        node("Tanh", "last", "z"),
    ]
    weights = [
        weight("w1", 8, 32),
        weight("w_scan", 32, 32),
        weight("w2", 32, 10),
        constant("zero", [0.0] * 32, "float32"),
    ]
    return model(nodes, [value("x", [4, 8])], [value("y", [4, 10]), value("z", [32])], weights)


def many_ends() -> ModelProto:
    """Two inputs, three outputs: one made early and used later too, one made early only, one at the end."""
    nodes = [
        node("MatMul", "x w1", "a"),
        node("Relu", "a", "early"),
        node("MatMul", "u w2", "b"),
        node("Sigmoid", "b", "side"),
        node("Add", "early side", "c"),
        node("MatMul", "c w3", "d"),
        node("Softmax", "d", "y", axis=-1),
    ]
    weights = [weight("w1", 8, 32), weight("w2", 6, 32), weight("w3", 32, 10)]
    outputs = [value("early", ["n", 32]), value("side", ["n", 32]), value("y", ["n", 10])]
    return model(nodes, [value("x", ["n", 8]), value("u", ["n", 6])], outputs, weights)


def tied_weights() -> ModelProto:
    """One matrix under one name used twice, and the same contents once more under another name."""
    shared = weight("table", 64, 16)
    copy = TensorProto()
    copy.CopyFrom(shared)
    copy.name = "copy"
    nodes = [
        node("Gather", "table ids", "e", axis=0),
        node("MatMul", "e w", "h"),
        node("Gelu", "h", "g", domain="com.microsoft"),
        node("Transpose", "table", "t", perm=[1, 0]),
        node("MatMul", "g t", "logits"),
        node("MatMul", "logits copy", "y"),
    ]
    return model(
        nodes,
        [value("ids", [1, "length"], INT64)],
        [value("y", [1, "length", 16])],
        [shared, copy, weight("w", 16, 16)],
        contrib=True,
    )


def dynamic_mask() -> ModelProto:
    """Attention-like: a mask chain used by every layer, and shapes taken from activations."""
    nodes = [
        node("Unsqueeze", "mask axes", "m1"),
        node("Cast", "m1", "m2", to=FLOAT),
        node("Sub", "one m2", "m3"),
        node("Mul", "m3 low", "bias"),
        node("Gather", "table ids", "h0", axis=0),
    ]
    for layer in range(3):
        h = f"h{layer}"
        nodes += [
            node("MatMul", f"{h} wq{layer}", f"q{layer}"),
            node("Shape", h, f"shape{layer}"),
            node("Gather", f"shape{layer} first_two", f"rows{layer}", axis=0),
            node("Concat", f"rows{layer} heads", f"target{layer}", axis=0),
            node("Reshape", f"q{layer} target{layer}", f"r{layer}"),
            node("Transpose", f"r{layer}", f"t{layer}", perm=[0, 2, 1, 3]),
            node("Transpose", f"r{layer}", f"k{layer}", perm=[0, 2, 3, 1]),
            node("MatMul", f"t{layer} k{layer}", f"s{layer}"),
            node("Add", f"s{layer} bias", f"b{layer}"),
            node("Softmax", f"b{layer}", f"p{layer}", axis=-1),
            node("MatMul", f"p{layer} t{layer}", f"o{layer}"),
            node("Transpose", f"o{layer}", f"back{layer}", perm=[0, 2, 1, 3]),
            node("Reshape", f"back{layer} shape{layer}", f"c{layer}"),
            node("Add", f"c{layer} {h}", f"h{layer + 1}"),
        ]
    weights = [weight(f"wq{layer}", 16, 16) for layer in range(3)] + [
        weight("table", 100, 16), constant("axes", [1, 2]), constant("first_two", [0, 1]),
        constant("heads", [4, 4]), constant("one", 1, "float32"), constant("low", -1e4, "float32"),
    ]  # fmt: skip
    inputs = [value("ids", ["b", "s"], INT64), value("mask", ["b", "s"], INT64)]
    return model(nodes, inputs, [value("h3", ["b", "s", 16])], weights)


def contrib() -> ModelProto:
    """Operators of com.microsoft that shape inference of the standard does not know."""
    nodes = [
        node("FusedMatMul", "x w1", "a", domain="com.microsoft", alpha=0.5),
        node("Gelu", "a", "b", domain="com.microsoft"),
        node("BiasGelu", "b bias", "c", domain="com.microsoft"),
        node("FusedMatMul", "c w2", "d", domain="com.microsoft", transB=1),
        node("QuickGelu", "d", "y", domain="com.microsoft"),
    ]
    weights = [weight("w1", 8, 32), weight("bias", 32), weight("w2", 16, 32)]
    return model(nodes, [value("x", ["n", 8])], [value("y", ["n", 16])], weights, contrib=True)


def quantized_linear() -> ModelProto:
    """Operators on integers themselves: QLinearConv, QLinearAdd (com.microsoft)."""
    random = np.random.default_rng(0)
    kernel = numpy_helper.from_array(random.integers(-90, 90, (4, 4, 3, 3)).astype(np.int8), "k")
    small = [constant("s", 0.05, "float32"), constant("z", 120, "uint8"), constant("ks", 0.01, "float32"),
             constant("kz", 0, "int8")]  # fmt: skip
    nodes = [
        node("QuantizeLinear", "x s z", "q"),
        node("QLinearConv", "q s z k ks kz s z", "c1", pads=[1, 1, 1, 1]),
        node("QLinearConv", "c1 s z k ks kz s z", "c2", pads=[1, 1, 1, 1]),
        node("QLinearAdd", "q s z c2 s z s z", "sum", domain="com.microsoft"),
        node("DequantizeLinear", "sum s z", "y"),
    ]
    return model(
        nodes, [value("x", [1, 4, 8, 8])], [value("y", [1, 4, 8, 8])], [kernel, *small], contrib=True
    )


def small_conv_net() -> ModelProto:
    """Conv, BatchNorm, ReLU, a residual sum, SiLU, pooling, Gemm: to be quantized, and to be folded."""
    nodes = [
        node("Conv", "x k1", "c1", "/stem/Conv", pads=[1, 1, 1, 1]),
        node("BatchNormalization", "c1 g1 b1 m1 v1", "n1", "/stem/BatchNorm"),
        node("Relu", "n1", "r1", "/stem/Relu"),
        node("Conv", "r1 k2", "c2", "/body/Conv", pads=[1, 1, 1, 1]),
        node("Sigmoid", "c2", "s2", "/body/Sigmoid"),
        node("Mul", "c2 s2", "a2", "/body/Mul"),
        node("Conv", "a2 k3", "c3", "/body/Conv_1", pads=[1, 1, 1, 1]),
        node("Add", "c3 r1", "d3", "/body/Add"),
        node("Relu", "d3", "r3", "/body/Relu"),
        node("GlobalAveragePool", "r3", "p", "/head/Pool"),
        node("Flatten", "p", "f", "/head/Flatten"),
        node("Gemm", "f w b", "y", "/head/Gemm"),
    ]
    variance = numpy_helper.from_array(np.linspace(0.5, 2, 8, dtype=np.float32), "v1")
    weights = [weight("k1", 8, 3, 3, 3), weight("g1", 8, scale=1), weight("b1", 8), weight("m1", 8), variance,
               weight("k2", 8, 8, 3, 3), weight("k3", 8, 8, 3, 3), weight("w", 8, 10),
               weight("b", 10)]  # fmt: skip
    return model(nodes, [value("x", [1, 3, 16, 16])], [value("y", [1, 10])], weights)


def quantized_conv_net(folder: Path) -> Path:
    """`small_conv_net` after onnxruntime's static quantization (Q/DQ, per channel)."""
    import onnxruntime.quantization as quantization

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            random = np.random.default_rng(1)
            self.samples = iter(
                [{"x": random.standard_normal((1, 3, 16, 16)).astype(np.float32)} for _ in range(8)]
            )

        def get_next(self) -> dict[str, Any] | None:
            return next(self.samples, None)

    source, target = folder / "float.onnx", folder / "quantized.onnx"
    onnx.save(small_conv_net(), source)
    quantization.quantize_static(
        source, target, Reader(), quant_format=quantization.QuantFormat.QDQ, per_channel=True,
        activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
    )  # fmt: skip
    return target


def sequences() -> ModelProto:
    """A sequence of tensors lives in the middle: no cut may cross it."""
    nodes = [
        node("MatMul", "x w1", "a"),
        node("Relu", "a", "b"),
        node("SequenceConstruct", "a b", "seq"),
        node("ConcatFromSequence", "seq", "c", axis=1),
        node("MatMul", "c w2", "y"),
    ]
    return model(
        nodes, [value("x", [2, 8])], [value("y", [2, 10])], [weight("w1", 8, 32), weight("w2", 64, 10)]
    )


def local_function() -> ModelProto:
    """A model-local function called twice."""
    inner = [helper.make_node("MatMul", ["p", "q"], ["m"]), helper.make_node("Relu", ["m"], ["r"])]
    function = helper.make_function("own", "Dense", ["p", "q"], ["r"], inner, [helper.make_opsetid("", 18)])
    nodes = [node("Dense", "x w1", "a", domain="own"), node("Dense", "a w2", "y", domain="own")]
    graph = helper.make_graph(
        nodes, "g", [value("x", [2, 8])], [value("y", [2, 10])], [weight("w1", 8, 32), weight("w2", 32, 10)]
    )
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=imports, functions=[function], ir_version=10)


def decomposed_norm(opset: int = 18) -> ModelProto:
    """LayerNorm and Gelu spelt out in primitive operators, with a residual around both."""
    nodes = [
        node("MatMul", "x w1", "h"),
        _mean("h", "mu", opset),
        node("Sub", "h mu", "centred"),
        node("Pow", "centred two", "square"),
        _mean("square", "var", opset),
        node("Add", "var eps", "safe"),
        node("Sqrt", "safe", "dev"),
        node("Div", "centred dev", "unit"),
        node("Mul", "unit gamma", "scaled"),
        node("Add", "scaled beta", "normed"),
        node("MatMul", "normed w2", "f"),
        node("Div", "f root", "g1"),
        node("Erf", "g1", "g2"),
        node("Add", "g2 one", "g3"),
        node("Mul", "f g3", "g4"),
        node("Mul", "g4 half", "g5"),
        node("Add", "g5 h", "y"),
    ]
    scalars = {"two": 2.0, "eps": 1e-5, "root": 1.41421356, "one": 1.0, "half": 0.5}
    weights = [
        weight("w1", 8, 32),
        weight("w2", 32, 32),
        weight("gamma", 32),
        weight("beta", 32),
        constant("last", [-1]),
    ]
    weights += [constant(name, number, "float32") for name, number in scalars.items()]
    return model(nodes, [value("x", ["n", 8])], [value("y", ["n", 32])], weights, opset=opset)


def _mean(source: str, target: str, opset: int) -> NodeProto:
    """Until opset 18 the axes of ReduceMean were an attribute."""
    return (
        node("ReduceMean", f"{source} last", target)
        if opset >= 18
        else node("ReduceMean", source, target, axes=[-1])
    )


HANDMADE = {
    "slashes": lambda: mlp("/a/b/"), "mlp": mlp, "if": if_capturing, "loop": loop_capturing,
    "scan": scan_capturing,
    "many_ends": many_ends, "tied": tied_weights, "mask": dynamic_mask, "contrib": contrib,
    "qlinear": quantized_linear, "conv": small_conv_net, "sequences": sequences, "function": local_function,
    "norm": decomposed_norm,
}  # fmt: skip
SHAPES: dict[str, dict[str, tuple[int, ...]]] = {
    "tied": {"ids": (1, 7)},
    "mask": {"ids": (2, 5), "mask": (2, 5)},
}
