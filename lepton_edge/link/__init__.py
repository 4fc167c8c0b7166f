"""One symmetric stream between two peers: handshake, chunks, credits, probes, liveness.

Law: `machine` decides and is pure; `link` drives it over a stream of chunks; `server` accepts streams;
`shape` is a slow link for demo and tests, a process of its own; `discovery` finds a coordinator. Nothing here
knows what a model is.
"""
