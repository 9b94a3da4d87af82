"""The index on disk: where the members of the shards lie, and which of them a post's key names.

`update_index` reads the headers of new shards into one file a shard (`build`, `segment`) and merges them into one sorted file
(`merge`), which is mapped into memory for look-ups (`lookup`). What fits a key is decided by `spellings` and `match`.
"""

from archive.images.index.compare import changed_shards
from archive.images.index.files import SUFFIX, IndexFile, open_index
from archive.images.index.lookup import Index, Located
from archive.images.index.segment import IndexDamagedError
from archive.images.index.update import State, UpdatedIndex, index_one, update_index

__all__ = [
    "SUFFIX",
    "Index",
    "IndexDamagedError",
    "IndexFile",
    "Located",
    "State",
    "UpdatedIndex",
    "changed_shards",
    "index_one",
    "open_index",
    "update_index",
]
