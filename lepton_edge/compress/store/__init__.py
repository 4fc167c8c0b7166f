"""The store: a model in one file, every tensor in the form that takes fewest bytes, and exactly itself when it is read.

Law: the one room that knows the file format (`layout`). It loses nothing: which weights are zero, shared or quantized
was decided before; here it only pays. What is read may come from anybody and is refused in a sentence, before memory
is reserved for it.
"""

from __future__ import annotations

from lepton_edge.compress.store.layout import SUFFIX, Stored, StoredTensor
from lepton_edge.compress.store.reading import contents, is_store, read
from lepton_edge.compress.store.writing import stored_size, write

__all__ = ["SUFFIX", "Stored", "StoredTensor", "contents", "is_store", "read", "stored_size", "write"]
