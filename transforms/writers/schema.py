"""Schemas of the output, as documented in the README."""

from __future__ import annotations

import pyarrow as pa

VERSION = "1"

_BOX = pa.list_(pa.float32())  # always four; Arrow cannot read a null of a fixed-size list back from Parquet

_EVIDENCE = pa.struct([("image", pa.string()), ("object", pa.string()), ("box", _BOX), ("weight", pa.float32())])

_ENTITY = pa.struct(
    [
        ("text", pa.string()),
        ("type", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("score", pa.float32()),
        ("evidence", pa.list_(_EVIDENCE)),
    ]
)

_OBJECT = pa.struct([("label", pa.string()), ("score", pa.float32()), ("box", _BOX)])

_NAME = pa.struct([field for field in _ENTITY if field.name != "evidence"])

_TEXT = pa.struct([("kind", pa.string()), ("text", pa.string()), ("box", _BOX), ("score", pa.float32()), ("entities", pa.list_(_NAME))])

_IMAGE = pa.struct(
    [
        ("key", pa.string()),
        ("status", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("objects", pa.list_(_OBJECT)),
        ("texts", pa.list_(_TEXT)),
    ]
)

ANNOTATIONS = pa.schema(
    [
        pa.field("post_id", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("entities", pa.list_(_ENTITY), nullable=False),
        pa.field("images", pa.list_(_IMAGE), nullable=False),
        pa.field("extra", pa.string()),
        pa.field("source", pa.string(), nullable=False),
        pa.field("line", pa.int64(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
    ],
    metadata={"postner.schema_version": VERSION},
)
"""Boxes are xyxy, pixels of the original picture as a viewer shows it (EXIF orientation applied)."""

REJECTS = pa.schema(
    [
        pa.field("stage", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("line", pa.int64()),
        pa.field("payload", pa.string(), nullable=False),
    ],
    metadata={"postner.schema_version": VERSION},
)
