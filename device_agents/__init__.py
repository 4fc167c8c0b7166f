"""What runs on a device: the agent.

Law: it knows the wire and the ground's nouns, never the coordinator, the client, the planner or ONNX files.
"""

from __future__ import annotations

import partitioner as partitioner  # first: it tells the engine to keep to itself

COMMANDS = {"agent": "Run an agent on this device: join, start, doctor, install-service."}
"""What `lepton-edge --help` says of the commands that this package adds."""
