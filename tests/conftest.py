"""What a test says nothing of is said in the open: servers of tests have no certificates unless they make some."""

from __future__ import annotations

import os

for _variable in ("LEPTON_EDGE_KEY", "LEPTON_EDGE_SECURE", "LEPTON_EDGE_COORDINATOR_SECURE"):
    os.environ.pop(_variable, None)
os.environ["LEPTON_EDGE_INSECURE"] = "1"
