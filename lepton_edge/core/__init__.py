"""The nouns of the run time: frames, messages, results, errors, configuration.

Law: no I/O, no asyncio, no protobuf; imports nothing of `lepton_edge` outside this room.
"""
