"""ONNX models into graphs, cuts into blocks: the one room that imports onnx."""
