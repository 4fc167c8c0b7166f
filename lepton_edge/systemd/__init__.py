"""Living under systemd: telling it how a process is, and being installed as its service.

Law: knows systemd and nothing of agents or coordinators. Without systemd every call here does nothing.
"""

from lepton_edge.systemd.notify import Notifier as Notifier
from lepton_edge.systemd.unit import Unit as Unit
