"""What a test says nothing of is said in the open: servers of tests have no certificates unless they make some.

What benches set when they are imported is taken back at once, or it would count for every test that comes after.
"""

from __future__ import annotations

import os

import bench  # noqa: F401

for _variable in ("LEPTON_EDGE_KEY", "LEPTON_EDGE_SECURE", "LEPTON_EDGE_COORDINATOR_SECURE"):
    os.environ.pop(_variable, None)
os.environ["LEPTON_EDGE_INSECURE"] = "1"
