"""Settings: TOML, environment and flags become one frozen value (pydantic-settings).

Law: for command lines. The process of an agent never loads this room: pydantic would stay in its memory.
"""
