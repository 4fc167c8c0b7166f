"""What a step, which may be anybody's code, raises, and the sentence about it.

Law: nouns and words. An interrupt and the end of the process are nobody's failure and are not among them.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from subprocess import SubprocessError

import onnx
from google.protobuf.message import DecodeError, EncodeError  # what onnx raises of bad or too many bytes

from lepton_edge.core.errors import LeptonError
from partitioner.onnx_io import runtime

CODE_ERRORS: tuple[type[Exception], ...] = (
    ArithmeticError, LookupError, TypeError, ValueError, RuntimeError, AttributeError, AssertionError, ImportError,
    NameError, EOFError, MemoryError,
)  # fmt: skip
"""What a function of the user's may raise, beside an OSError."""

DATA_ERRORS: tuple[type[Exception], ...] = (*CODE_ERRORS, OSError)
"""What a data set of the user's may raise."""

STEP_ERRORS: tuple[type[Exception], ...] = (
    LeptonError, *CODE_ERRORS, SubprocessError, EncodeError, DecodeError, onnx.checker.ValidationError,
    onnx.shape_inference.InferenceError, onnx.version_converter.ConvertError, *runtime.RUNTIME_ERRORS,
)  # fmt: skip
"""What a step may raise; a full disk is among LeptonError, and ends the search."""

REFUSE_ERRORS: tuple[type[Exception], ...] = (*STEP_ERRORS, OSError)
"""What a step may raise where it only says whether it helps."""


def sentence(error: Exception) -> str:
    """Return what to say of a step's failure; of one that is no sentence, where in its code it was raised."""
    if isinstance(error, LeptonError):
        return error.message
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"
