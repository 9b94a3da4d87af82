"""Formats of the output."""

from transforms.writers.parquet import ParquetWriter
from transforms.writers.writer import Writer

WRITER: Writer = ParquetWriter()
"""The format of the output."""
