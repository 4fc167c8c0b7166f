"""What can be wrong with a model, a profile or a plan.

Law: errors are nouns. They say whose fault it is, whether trying again can help, and what to do next. Nothing here
imports anything but the standard library; `lepton_edge.core.errors` grows the same tree for the run time.

    LeptonError
    ├── ModelError              the model is at fault
    │   ├── InvalidModel            not an ONNX model, or a broken one
    │   ├── UnsupportedOperator     no engine here runs this operator
    │   ├── InvalidManifest         the TOML manifest contradicts itself or the graph
    │   └── ModelTooLarge           no device, or not this device, can hold it
    ├── ProfileError            a measurement is missing or absurd (NaN, negative, infinite)
    ├── PlanError               the question to the planner is at fault
    │   ├── NoFeasiblePlan          some constraint cannot be met: says which, and by how much
    │   └── InvalidProblem          cyclic graph, unknown pin, missing link
    └── (run-time errors: see lepton_edge/core/errors.py)
"""

from __future__ import annotations

from typing import ClassVar, Literal

Fault = Literal["caller", "model", "device", "network", "service"]


class LeptonError(Exception):
    """Root of every error that Lepton Edge raises on purpose.

    Attributes:
        code: stable machine-readable name, such as ``invalid_model``; part of the wire format.
        fault: whose fault it is: the caller, the model, a device, the network, or the service itself.
        retryable: whether the same call may succeed later without a change.
        hint: what to do next, one sentence; may be empty.
        retry_after: seconds after which to try again, as whoever refused measured them; 0 where unknown.
        elsewhere: addresses that may be asked instead; mostly none.
    """

    code: ClassVar[str] = "error"
    fault: ClassVar[Fault] = "service"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.retry_after = 0.0
        self.elsewhere: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ModelError(LeptonError):
    """The model is at fault."""

    code = "model_error"
    fault = "model"


class InvalidModel(ModelError):
    """Not an ONNX model, or a broken one."""

    code = "invalid_model"


class UnsupportedOperator(ModelError):
    """No engine here can run an operator of the model."""

    code = "unsupported_operator"


class InvalidManifest(ModelError):
    """The manifest contradicts itself or the graph."""

    code = "invalid_manifest"


class ModelTooLarge(ModelError):
    """No device, or not the device in question, can hold the model."""

    code = "model_too_large"


class ProfileError(LeptonError):
    """A measurement is missing or absurd: NaN, infinite, negative."""

    code = "profile_error"
    fault = "device"


class PlanError(LeptonError):
    """The question put to the planner is at fault."""

    code = "plan_error"
    fault = "caller"


class NoFeasiblePlan(PlanError):
    """Some constraint cannot be met; the message says which one and by how much."""

    code = "no_feasible_plan"


class InvalidProblem(PlanError):
    """A cyclic graph, an unknown pin, a link that is missing."""

    code = "invalid_problem"
