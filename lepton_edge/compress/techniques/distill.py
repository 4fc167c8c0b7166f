"""Distillation: a smaller model learns to answer as the original does, with or without labels.

Law: the student is the model as it comes, the teacher the original; their inputs have the same names and shapes.
"""

from __future__ import annotations

from lepton_edge.compress.techniques import training

DISTILL = training.Trainer(
    "distill",
    {
        **training.LENGTH,
        "rate": (3e-3, 1e-3),
        "temperature": (4.0, 2.0),
        "labels": (0.3, 0.0),
        "focal": (0.0, 2.0),
        "features": (0.0, 1.0),
    },
)
"""Trains the model by the original's logits at a temperature.

Options: `epochs`, `batch`, `rate` (the highest), `temperature`, `labels` (their share of the loss), `focal` (an
exponent by which what is answered well weighs less), `features` (weight of the attention inside the graph).
"""
