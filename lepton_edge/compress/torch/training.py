"""The loop: batches in, a module trained in place.

Law: it knows no technique; what is made small is handed in. One thread, a fixed seed: twice gives the same weights.
A loss that is no number ends it at once, as an error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lepton_edge.compress.errors import CompressionFailed
from lepton_edge.compress.technique import Progress, silent
from lepton_edge.compress.torch.batches import Batch

WARM_UP = 0.1
"""Share of the steps in which the rate rises."""

Loss = Callable[[Batch], Tensor]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: epochs, samples a step, the highest rate, decay of the weights, the optimiser.

    `optimiser` is "adam" (decoupled decay) or "sgd" (Nesterov, momentum 0.9). The rate rises over the first tenth
    of the steps and falls to zero along half a cosine. `steps` > 0 ends each epoch early.
    """

    epochs: int
    batch: int
    rate: float
    decay: float = 0.0
    optimiser: str = "adam"
    steps: int = 0


def train(
    module: nn.Module,
    batches: Callable[[int], Iterable[Batch]],
    loss: Loss,
    schedule: Schedule,
    *,
    count: int,
    progress: Progress = silent,
) -> float:
    """Train `module` in place; return the mean loss of the last epoch. `count` is samples an epoch.

    `batches` is asked once an epoch, with its number.

    Raises:
        CompressionFailed: the loss became infinite or no number.
    """
    steps = math.ceil(count / schedule.batch)
    steps = min(steps, schedule.steps) if schedule.steps else steps
    total = steps * schedule.epochs
    optimiser = _optimiser(module, schedule)
    rates = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate_at(step, total))
    mean = 0.0
    for epoch in range(schedule.epochs):
        seen = 0.0
        for step, batch in zip(range(steps), batches(epoch), strict=False):
            seen += _step(optimiser, loss(batch))
            rates.step()
            progress("training", epoch * steps + step + 1, total)
        mean = seen / steps
    return mean


def rate_at(step: int, total: int) -> float:
    """Return the share of the highest rate at `step` of `total`: a rise, then half a cosine to zero."""
    warm = max(1, int(WARM_UP * total))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, total - warm))))


def _step(optimiser: torch.optim.Optimizer, loss: Tensor) -> float:
    value = float(loss.detach())
    if not math.isfinite(value):
        raise CompressionFailed(f"training diverged: the loss is {value}", "try a lower rate")
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    return value


def _optimiser(module: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    """Return the optimiser; what has one axis (biases, scales of a normalisation) does not decay."""
    chosen = [one for one in module.parameters() if one.requires_grad]
    groups = [
        {"params": [one for one in chosen if one.dim() > 1], "weight_decay": schedule.decay},
        {"params": [one for one in chosen if one.dim() <= 1], "weight_decay": 0.0},
    ]
    if schedule.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=schedule.rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, lr=schedule.rate)


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Seed torch and hold it to one thread; both are put back at the end."""
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.random.set_rng_state(state)
