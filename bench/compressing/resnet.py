"""A small ResNet for Fashion-MNIST as an ONNX graph, untrained: four residual blocks, of a width to choose.

Law: builds a graph and nothing else. Source: He et al., "Deep Residual Learning for Image Recognition", 2015.
"""

from __future__ import annotations

import numpy as np
import onnx

from examples.demo.graph_builder import GraphBuilder

CLASSES = 10
WIDTHS = (16, 32, 64, 128, 256)
"""Channels of the stem and of each block: 1.23 million weights, 12.6 million multiplications a picture."""


def build(widths: tuple[int, ...] = WIDTHS, seed: int = 0) -> onnx.ModelProto:
    """Return the net: `picture` float32 [N, 1, 28, 28] in, `logits` float32 [N, 10] out."""
    net = _Net(GraphBuilder("fashion"), np.random.default_rng(seed))
    x = net.relu(net.conv_bn("picture", "stem", (1, widths[0]), (3, 1)), "stem")
    for index, (wide, wider) in enumerate(zip(widths, widths[1:], strict=False)):
        x = net.block(x, f"block{index}", wide, wider)
    net.classify(x, widths[-1])
    return net.graph.model(
        {"picture": ("float32", ["N", 1, 28, 28])}, {"logits": ("float32", ["N", CLASSES])}
    )


class _Net:
    def __init__(self, graph: GraphBuilder, random: np.random.Generator) -> None:
        self.graph, self._random = graph, random

    def conv_bn(self, x: str, name: str, channels: tuple[int, int], window: tuple[int, int]) -> str:
        """Add a convolution (`channels` in and out, `window` kernel and stride) and its normalisation."""
        (inside, outside), (kernel, stride) = channels, window
        spread = np.sqrt(2 / (inside * kernel * kernel))
        drawn = self._random.normal(0, spread, (outside, inside, kernel, kernel)).astype(np.float32)
        weight = self.graph.weight(f"{name}.weight", drawn)
        strides, pads = [stride] * 2, [kernel // 2] * 4
        y = self.graph.node("Conv", [x, weight], f"/{name}/Conv", strides=strides, pads=pads)
        ones, zeros = np.ones(outside, np.float32), np.zeros(outside, np.float32)
        parts = {"scale": ones, "shift": zeros, "mean": zeros, "variance": ones}
        weights = [self.graph.weight(f"{name}.{part}", value) for part, value in parts.items()]
        return self.graph.node("BatchNormalization", [y, *weights], f"/{name}/BatchNormalization")

    def relu(self, x: str, name: str) -> str:
        return self.graph.node("Relu", [x], f"/{name}/Relu")

    def block(self, x: str, name: str, wide: int, wider: int) -> str:
        """Add a residual block that halves both sides."""
        y = self.relu(self.conv_bn(x, f"{name}.first", (wide, wider), (3, 2)), f"{name}.first")
        y = self.conv_bn(y, f"{name}.second", (wider, wider), (3, 1))
        beside = self.conv_bn(x, f"{name}.beside", (wide, wider), (1, 2))
        return self.relu(self.graph.node("Add", [y, beside], f"/{name}/Add"), name)

    def classify(self, x: str, width: int) -> None:
        x = self.graph.node("GlobalAveragePool", [x], "/pool/GlobalAveragePool")
        x = self.graph.node("Flatten", [x], "/pool/Flatten")
        drawn = self._random.normal(0, 0.01, (CLASSES, width)).astype(np.float32)
        weight = self.graph.weight("classifier.weight", drawn)
        bias = self.graph.weight("classifier.bias", np.zeros(CLASSES, np.float32))
        self.graph.node("Gemm", [x, weight, bias], "/classifier/Gemm", output="logits", transB=1)
