"""The one door for bytes: nouns to protobuf, frames to chunks, tensors to payloads, methods to channels.

Law: everything that comes in is checked here once, against limits; the rooms above trust what they get. This
room knows no request's meaning and keeps no state beyond one stream. Only this room imports google.protobuf.
"""
