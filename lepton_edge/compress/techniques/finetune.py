"""Fine-tuning: a compressed model learns on from where it is, so that it answers as before.

Law: what was pruned stays zero, what is shared stays shared, what is quantized stays on its grid (`torch.forms`).
"""

from __future__ import annotations

from lepton_edge.compress.techniques import training

FINETUNE = training.Trainer(
    "finetune", {**training.LENGTH, "rate": (1e-3, 3e-4, 3e-3), "labels": (0.5, 0.0, 1.0)}
)
"""Trains with labels where the user gave some, and by the original's answers.

Options: `epochs`, `batch`, `rate` (the highest), `labels` (their share of the loss; the rest is the original's).
"""
