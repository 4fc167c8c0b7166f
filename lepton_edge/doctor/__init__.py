"""What is wrong here, and what to do: facts of a machine and of its coordinator, and findings that follow from them.

Law: facts are collected in `system` and `asking`; `checks` and `fleet` turn them into findings and are pure. Changes
nothing, needs no root, and shows no secret: it never reads one. Used by `lepton-edge doctor` and by an agent's own.
"""

from lepton_edge.doctor.checks import machine as machine
from lepton_edge.doctor.facts import Certificate as Certificate
from lepton_edge.doctor.facts import Coordinator as Coordinator
from lepton_edge.doctor.facts import Door as Door
from lepton_edge.doctor.facts import Finding as Finding
from lepton_edge.doctor.facts import Level as Level
from lepton_edge.doctor.facts import Machine as Machine
from lepton_edge.doctor.report import Report as Report
