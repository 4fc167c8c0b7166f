"""What security costs: `python -m bench.security`.

Law: a room of a bench; who is believed is made here for the time of a run, and what is in
the open stands beside it by name.
"""
