"""The version of the distribution, said once.

Law: one string. The build backend reads it, and every hello carries it.
"""

__version__ = "0.1.0"
