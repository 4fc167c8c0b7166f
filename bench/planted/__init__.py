"""Bugs that are planted on purpose, in a copy of the tree: what is to prove that there are none must find each.

Law: the product is never touched; `bugs` are the nouns, `proofs` run them.
"""
