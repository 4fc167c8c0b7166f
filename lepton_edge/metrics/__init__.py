"""What a process shows to those who watch it: figures for Prometheus, and whether it lives and is ready.

Law: knows the text format and a few lines of HTTP; which figures there are is known by those who have them. Nothing is
counted or kept for it: figures are read when somebody asks.
"""

from lepton_edge.metrics.door import Door as Door
from lepton_edge.metrics.door import Watched as Watched
from lepton_edge.metrics.door import open_door as open_door
from lepton_edge.metrics.families import Family as Family
from lepton_edge.metrics.families import certificate as certificate
from lepton_edge.metrics.families import counter as counter
from lepton_edge.metrics.families import exposition as exposition
from lepton_edge.metrics.families import gauge as gauge
