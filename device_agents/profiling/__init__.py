"""Measuring a model on this device, on the coordinator's command.

Law: measures through the same engine, thread and pacing that serve requests, with pauses between runs,
because a request after a pause is slower than one in a tight loop. Its face is `run_profile`.
"""

from device_agents.profiling.run import run_profile

__all__ = ["run_profile"]
