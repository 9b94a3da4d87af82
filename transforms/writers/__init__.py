"""Formats of the output."""

import re

from transforms.writers.parquet import ParquetWriter
from transforms.writers.writer import Writer

WRITER: Writer = ParquetWriter()
"""The format of the output."""

SHARD_REJECTS = re.compile(rf"shard-[0-9a-f]{{16}}(-[0-9a-f]{{16}})?{re.escape(WRITER.suffix)}")
"""Names of the files of rejects of shards: hashes of the address and of the content, which earlier releases left out."""
