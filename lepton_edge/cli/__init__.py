"""The command line: the roof of this storey.

Law: turns words into calls of the client and documents into tables; decides nothing. Data goes to stdout,
everything else to stderr. `main.py` alone knows which commands there are; each command's module is imported
when it is used, so that `lepton-edge --help` stays quick.
"""
