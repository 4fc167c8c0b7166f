"""Who may take part: the coordinator's own authority, certificates, tokens to join with, and a log of who did what.

Law: knows `lepton_edge.core` and cryptography, which nobody else may import; no network, no asyncio, no clock of its
own (times are handed in). Nothing secret leaves it in an error, a log or a `repr`.
"""
