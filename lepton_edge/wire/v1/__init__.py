"""Generated protobuf stubs: made by `protos/generate.py`, never edited by hand."""
