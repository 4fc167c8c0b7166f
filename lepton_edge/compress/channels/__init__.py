"""Channels of a graph: which belong together, which matter least, and a graph without them.

Law: ONNX and numpy, no torch. A channel is followed through the whole graph, element by element, so that one that is
removed is removed everywhere; where a rule is missing its channels are held, never guessed. Reading order: `ties`,
`follow`, `rank`, `cut`.
"""
