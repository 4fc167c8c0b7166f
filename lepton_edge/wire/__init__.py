"""The one door for bytes: nouns to protobuf, frames to chunks, tensors to payloads, methods to channels.

Law: everything that comes in is checked here once, against limits; the rooms above trust what they get. This
room knows no request's meaning and keeps no state beyond one stream. Only this room imports google.protobuf.
"""

from __future__ import annotations

import os

# What goes wrong on the wire is told by our own errors; gRPC's lines on stderr would stand beside them. It reads this
# once, when it is loaded, which every room of the wire does after this.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
