"""Weights packed: the exact bytes of a tensor in far fewer, on disk and on the wire.

Law: bytes in, the same bytes out, bit by bit; it knows no model and no file. Packed bytes may come from anybody: they
are expanded in slabs of bounded size, never past the length that the reader expects, and whatever does not fit is
CorruptFrame. Packed does not mean verified: who keeps a sha256 checks the expanded bytes.

    "LPK1", length (u64), then slabs until that length is reached      framing.py
    a slab: form, item size, length, sections                          slabs.py
    before the form: rows of numbers times a scale; zeros left out      scaled.py, slabs.py
    a form: plain, byte planes, codebook and indices                   forms.py
    what is not told of items and rows is guessed                      guess.py
    a section: its bytes, by zstd where that is smaller                sections.py
"""

from __future__ import annotations

from lepton_edge.wire.packed.framing import MAX_LENGTH, Expander, expand, pack, packed_pieces

__all__ = ["MAX_LENGTH", "Expander", "expand", "pack", "packed_pieces"]
