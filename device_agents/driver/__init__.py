"""What executes: commands of the machine become computations, frames, files and words to the coordinator.

Law: decides nothing. Every outcome goes back to the machine as an event; the only broad `except` of an
agent is at the top of this loop, where whatever broke becomes such an event.
"""

from device_agents.driver.driver import Driver, Parts

__all__ = ["Driver", "Parts"]
