"""Kernel times go back to the nodes they came from, however they were renamed."""

from __future__ import annotations

import pytest

from device_agents.profiling.attribution import attribute
from device_agents.profiling.graph_nodes import GraphNode

PLAIN = [
    GraphNode("a/conv", "Conv", ("x", "w"), ("t1",)),
    GraphNode("a/relu", "Relu", ("t1",), ("t2",)),
    GraphNode("b/matmul", "MatMul", ("t2", "v"), ("t3",)),
    GraphNode("b/add", "Add", ("t3", "bias"), ("t4",)),
]


def shares(kernels, optimised=()):
    found, coverage = attribute(kernels, PLAIN, optimised)
    return {one.node: one.share for one in found}, coverage


def test_a_kernel_with_a_nodes_name_is_that_node():
    assert shares({"a/conv": 3.0, "b/add": 1.0}) == ({"a/conv": 0.75, "b/add": 0.25}, 1.0)


def test_an_nchwc_kernel_is_named_after_its_tensor():
    assert shares({"t2_nchwc": 2.0}) == ({"a/relu": 1.0}, 1.0)


@pytest.mark.parametrize("suffix", ["_bn_nchwc", "_mul_nchwc"])
def test_scales_that_became_nchwc_kernels_too(suffix):
    assert shares({f"t4{suffix}": 2.0}) == ({"b/add": 1.0}, 1.0)


def test_a_kernel_that_makes_a_known_tensor_belongs_to_its_maker():
    optimised = [GraphNode("gemm_7", "Gemm", ("t2", "v", "bias"), ("t4",))]
    assert shares({"gemm_7": 2.0}, optimised) == ({"b/add": 1.0}, 1.0)


def test_a_kernel_whose_name_contains_a_nodes_is_that_node():
    assert shares({"fused b/matmul/MatMulAddFusion": 2.0}) == ({"b/matmul": 1.0}, 1.0)


def test_a_fused_kernel_is_mostly_the_work_of_the_node_it_is_named_after():
    optimised = [GraphNode("b/matmul/MatMulScaleFusion/", "FusedMatMul", ("t2", "v"), ("t4",))]
    assert shares({"b/matmul/MatMulScaleFusion/": 2.0}, optimised) == ({"b/matmul": 1.0}, 1.0)


def test_a_name_inside_of_a_longer_word_means_nothing():
    plain = [GraphNode("n1", "Relu", ("x",), ("y",)), GraphNode("n2", "Relu", ("y",), ("z",))]
    assert attribute({"n10": 1.0}, plain, []) == ((), 0.0)


def test_a_layout_change_belongs_to_what_it_feeds():
    optimised = [
        GraphNode("reorder", "ReorderInput", ("x",), ("x8",)),
        GraphNode("t2_nchwc", "Conv", ("x8", "w"), ("t2n",)),
        GraphNode("back", "ReorderOutput", ("t2n",), ("t2",)),
        GraphNode("mystery", "Cast", ("t2n",), ("elsewhere",)),
    ]
    found, coverage = shares({"reorder": 1.0, "t2_nchwc": 6.0, "back": 1.0, "mystery": 2.0}, optimised)
    assert found == {"a/relu": 1.0}
    assert coverage == 1.0


def test_what_nobody_knows_is_left_out_and_counted():
    found, coverage = shares({"a/conv": 3.0, "mystery": 1.0})
    assert found == {"a/conv": 1.0}
    assert coverage == pytest.approx(0.75)


def test_nothing_measured_is_nothing_found():
    assert shares({}) == ({}, 0.0)


def test_a_quantized_convolution_that_runs_as_nhwc_is_named_with_a_number_behind():
    optimised = [
        GraphNode("Transpose", "Transpose", ("x",), ("x_nhwc",)),
        GraphNode("a/conv_token_1", "QLinearConv", ("x_nhwc", "w"), ("t1_nhwc",)),
        GraphNode("b/matmul_token_12", "QLinearConv", ("t1_nhwc", "v"), ("t4_nhwc",)),
        GraphNode("b/add", "QLinearAdd", ("t4_nhwc", "bias"), ("t4",)),
    ]
    kernels = {"Transpose": 1.0, "a/conv_token_1": 3.0, "b/matmul_token_12": 4.0, "b/add": 2.0}
    assert shares(kernels, optimised) == ({"a/conv": 0.4, "b/matmul": 0.4, "b/add": 0.2}, 1.0)


def test_a_node_whose_own_name_ends_so_keeps_it():
    plain = [GraphNode("n_token_1", "Relu", ("x",), ("y",)), GraphNode("n", "Relu", ("y",), ("z",))]
    assert attribute({"n_token_1": 1.0}, plain, [])[0][0].node == "n_token_1"
