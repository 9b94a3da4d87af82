"""Unpack posts files: compressed streams, tar and zip."""

from archive.posts.packing.stream import DamagedError, Stream

__all__ = ["DamagedError", "Stream"]
