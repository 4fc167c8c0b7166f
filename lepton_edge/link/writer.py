"""From the machine's commands to chunks: which frame is how far.

Law: encodes, and knows neither time nor stream. Holds a half-sent frame's payload as views, never as copies.
"""

from __future__ import annotations

import itertools

from lepton_edge.link.commands import WriteAck, WriteChunk
from lepton_edge.wire import codec

_NUMBERS = 1 << 32  # frame numbers wrap


class Writer:
    """The frames of one direction of a stream, by ticket; `how` may change before the first one is begun."""

    def __init__(self, how: codec.Writing) -> None:
        self.how = how
        self._half_sent: dict[int, codec.FrameWriter] = {}
        self._numbers = itertools.count()

    def chunk(self, command: WriteChunk | WriteAck) -> codec.Piece:
        """Return the chunk that is wanted; InvalidInput when its frame cannot be encoded."""
        if isinstance(command, WriteAck):
            ack = codec.Ack(command.received, command.rate)
            return codec.Piece(codec.ack_chunk(ack, self.how.checked), [], True)
        frame = self._half_sent.pop(command.ticket, None)
        if frame is None:
            number = next(self._numbers) % _NUMBERS
            frame = codec.FrameWriter(
                command.frame, number, self.how, command.credit_frames, command.credit_bytes
            )
        piece = frame.unwanted() if command.unwanted else frame.next(command.room, command.asks)
        if not piece.last:
            self._half_sent[command.ticket] = frame
        return piece
