"""The client SDK: what an application imports.

Law: a peer of kind client on the data port, speaking the same frames as the agents; administration goes to
the coordinator. It knows nothing of plans, blocks or devices beyond their names in results.

    transport.py   one question, one answer      address.py   who is there
    remote.py      over a link                   mock.py      over nothing, for tests of applications
    exchange.py    arrays to frames and back     upload.py    files to messages
    asking.py      one request until it is answered   retries.py   when to try again
    streaming.py   many requests, a few at a time     admin.py     progress, then a document
    background.py  a loop in a thread                 feeding.py   a source in a thread
    aio.py, sync.py   the two faces of one client
"""

from __future__ import annotations

from lepton_edge.client.aio import AsyncClient
from lepton_edge.client.mock import MockTransport, failure, reply
from lepton_edge.client.sync import Client
from lepton_edge.client.transport import Transport

__all__ = ["AsyncClient", "Client", "MockTransport", "Transport", "failure", "reply"]
