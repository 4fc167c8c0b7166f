"""The ground: models, costs, cuts, plans. Compile time only: no network, no asyncio, no gRPC.

Law: this face imports nothing of the house; take what you need from its rooms. Every room that loads the engine comes
by here first, so this is where the engine is told to keep to itself: newer builds of onnxruntime on PyPI (1.31 does)
tell their maker over HTTPS what they run, unless this variable is set before they are loaded. 0 lets them.
"""

import os as _os

_os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
