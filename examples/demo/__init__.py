"""The demo's models and pictures: real weights out of public packages, built into ONNX without torch.

Law: this room reads files that others made and writes ONNX, TOML and JPEG files; it knows no agent, no
network and nothing of `lepton_edge`. A weights file is never executed: only tensors come out of it.
"""
