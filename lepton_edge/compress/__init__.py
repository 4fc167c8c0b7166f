"""Compression under an accuracy budget: the smallest or fastest model that still answers right.

Law: a library below the command line. It knows no device and no coordinator: whoever calls it hands it a `measure`
callable. It reads and writes ONNX and runs it through `partitioner.onnx_io`; torch is imported by the techniques that
need it, and by nothing else.
"""
