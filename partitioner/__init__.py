"""The ground: models, costs, cuts, plans. Compile time only: no network, no asyncio, no gRPC.

Law: this face imports nothing; take what you need from its rooms.
"""
