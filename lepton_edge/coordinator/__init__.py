"""The control plane and scheduler: registry, models, profiles, plans, epochs. Never on the path of a tensor.

Law: this face imports nothing, so that a client or an agent may import the package without the coordinator's
extra.
"""
