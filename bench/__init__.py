"""Benchmarks and slow proofs; each prints one JSON line per row on stdout.

Law: nothing in the product imports this folder.
"""
