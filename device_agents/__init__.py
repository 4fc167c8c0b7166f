"""What runs on a device: the agent.

Law: it knows the wire and the ground's nouns, never the coordinator, the client, the planner or ONNX files.
"""
