"""Benchmarks and slow proofs; each prints one JSON line per row on stdout.

Law: nothing in the product imports this folder. What is measured speaks in the open, as it did when the first figures
were taken, and as raw TCP does that stands beside; what TLS costs is `security`'s and `doors`'s to say.
"""

from __future__ import annotations

import os

for _variable, _value in (("INSECURE", "1"), ("SECURE", "false"), ("COORDINATOR_SECURE", "false")):
    os.environ.setdefault(f"LEPTON_EDGE_{_variable}", _value)  # of applications, agents, the coordinator
