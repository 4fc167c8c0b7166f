"""Faults by the hundred under a steady stream of requests whose answers are known.

Law: starts the product's programs by their command lines and asks by the SDK; what is right was computed before.
"""
