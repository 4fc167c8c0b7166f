"""Training of ONNX graphs in torch: a graph as a module, losses, loops; ONNX comes in and ONNX goes out.

Law: the only folder that imports torch, and nothing imports it but techniques, from inside their functions, so that
everything else works without the extra. A graph is never translated: `module.OnnxModule` runs it node by node, so
what was trained is what the engine will run. Reading order: `operators`, `forms`, `module`, `batches`, `losses`,
`training`.
"""
