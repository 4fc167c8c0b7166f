"""The small ResNet, trained; kept outside git, so that the benches that only read it need no torch.

    python -m bench.compressing.trained

Law: trained with the pictures to train with; what it scores on the others is for the caller to find out. Training is
of one thread and one at a time on this machine, because figures of other benches are taken beside it.
"""

from __future__ import annotations

import fcntl
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx

from bench.compressing import fashion, resnet

EPOCHS = 6
LOCK = Path(tempfile.gettempdir()) / "lepton-train.lock"


@contextmanager
def alone() -> Iterator[None]:
    """Hold the machine's one place for a training."""
    with LOCK.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def kept(name: str, make: Callable[[], onnx.ModelProto]) -> onnx.ModelProto:
    """Return the model that was made under `name` before, else make it now, alone on this machine."""
    path = fashion.CACHE / f"{name}.onnx"
    if not path.exists():
        with alone():
            made = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        onnx.save(made, partial)
        partial.replace(path)
    return onnx.load(path)


def resnet_of_fashion() -> onnx.ModelProto:
    """Return the trained net; train it where that was not done yet (eight minutes of a core)."""
    return kept("fashion_resnet", lambda: train(resnet.build(), EPOCHS))


def train(model: onnx.ModelProto, epochs: int, seed: int = 0) -> onnx.ModelProto:
    """Return `model` trained from where it is with the labels of the 60,000 pictures."""
    from lepton_edge.compress.torch.batches import Batch, batches
    from lepton_edge.compress.torch.losses import of_labels
    from lepton_edge.compress.torch.module import OnnxModule
    from lepton_edge.compress.torch.training import Schedule, reproducible, train

    pictures = fashion.training()
    schedule = Schedule(epochs, 128, 0.1, 5e-4, "sgd")
    with reproducible(seed):
        module = OnnxModule(model).train()

        def loss(batch: Batch) -> object:
            return of_labels(module(batch.feeds)["logits"], batch.labels)

        train(
            module,
            lambda epoch: batches(pictures.again(seed + epoch), schedule.batch, seed, epoch),
            loss,
            schedule,
            count=len(pictures),
            progress=_tell,
        )
        made: onnx.ModelProto = module.write_back()
    return made


def _tell(what: str, done: int, total: int) -> None:
    if done % 50 == 0 or done == total:
        print(f"{what}: {done} of {total}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    resnet_of_fashion()
