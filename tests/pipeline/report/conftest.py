"""An output of a run that holds what people and attackers post."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

HOSTILE = [
    "<script>document.title = 'owned'; fetch('https://evil.example/x')</script>",
    '"><img src=https://evil.example/a.png onerror=alert(1)> </style></script></p><h1>',
    "javascript:alert(1) {{ 7*7 }} {% raw %} ${7*7} &lt;b&gt; &amp;",
    "\u202eevil right-to-left\u202c \u2066left\u2069 \u2067 end, \x00\x1b[31m\x85\u2028",
    "<!-- <![CDATA[ ]]> --> <base href=https://evil.example> <meta http-equiv=refresh content=0;url=https://evil.example>",
    "long " * 20_000,
    "a" * 100_000,
    "",
]


def entity(text: str, name: str, type_: str, score: float, evidence: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    start = text.index(name)
    return {"text": name, "type": type_, "start": start, "end": start + len(name), "score": score, "evidence": evidence or []}


def image(key: str, status: str = "ok", objects: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    size = (400, 300) if status == "ok" else (None, None)
    return {"key": key, "status": status, "width": size[0], "height": size[1], "objects": objects or [], "texts": [], **more}


def row(number: int, text: str, entities: Any = (), images: Any = (), extra: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "post_id": f"id-{number}",
        "text": text,
        "entities": list(entities),
        "images": list(images),
        "extra": json.dumps(extra) if extra else None,
        "source": "archive/posts.jsonl",
        "line": number,
        "model": "m@1",
    }


TEXTS = pa.list_(
    pa.struct(
        [
            ("kind", pa.string()),
            ("text", pa.string()),
            ("box", pa.list_(pa.float32())),
            ("score", pa.float32()),
            (
                "entities",
                pa.list_(
                    pa.struct(
                        [("text", pa.string()), ("type", pa.string()), ("start", pa.int32()), ("end", pa.int32()), ("score", pa.float32())]
                    )
                ),
            ),
        ]
    )
)


def schema(with_texts: bool) -> pa.Schema:
    from transforms.writers.schema import ANNOTATIONS

    plain = [field for field in ANNOTATIONS.field("images").type.value_type if field.name != "texts"]
    images = pa.list_(pa.struct([*plain, ("texts", TEXTS)] if with_texts else plain))
    return ANNOTATIONS.set(ANNOTATIONS.get_field_index("images"), pa.field("images", images))


@pytest.fixture(scope="session")
def write_output() -> Callable[..., Path]:
    """Writes an output of a run: rows in files of `rows_per_file`, rejects, run.json."""

    def write(
        folder: Path,
        rows: list[dict[str, Any]],
        rejects: Any = (),
        shards: Any = (),
        rows_per_file: int = 7,
        with_texts: bool = True,
        **summary: Any,
    ) -> Path:
        for name in ("annotations", "rejects"):
            (folder / name).mkdir(parents=True)
        for start in range(0, len(rows), rows_per_file):
            some = pa.Table.from_pylist(rows[start : start + rows_per_file], schema(with_texts))
            parquet.write_table(some, folder / "annotations" / f"{start:05}.parquet", row_group_size=3)
        fields = [("stage", pa.string()), ("reason", pa.string()), ("source", pa.string()), ("line", pa.int64()), ("payload", pa.string())]
        parquet.write_table(pa.Table.from_pylist(list(rejects), pa.schema(fields)), folder / "rejects" / "0.parquet")
        inputs = {"posts": {}, "shards": {str(shard): {} for shard in shards}}
        (folder / "run.json").write_text(json.dumps({"state": "done", "seconds": 5.0, "inputs": inputs, **summary}))
        return folder

    return write


@pytest.fixture(scope="session")
def shard(tmp_path_factory: pytest.TempPathFactory, jpeg: Callable[..., bytes]) -> Path:
    """A tar of three pictures of 400 x 300."""
    path = tmp_path_factory.mktemp("shards") / "images.tar"
    with tarfile.open(path, "w") as archive:
        for seed in range(3):
            data = jpeg(seed, (400, 300))
            info = tarfile.TarInfo(f"{seed}.jpg")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture(scope="session")
def output(tmp_path_factory: pytest.TempPathFactory, write_output: Callable[..., Path], shard: Path) -> Path:
    """Posts of every kind: plain, with pictures and words in them, and hostile ones."""
    rows = []
    for number in range(1, 41):
        text = f"Grace Hopper met Ada in Paris, for the {number}. time"
        person = {"label": "person", "score": 0.9, "box": [40.0, 30.0, 200.0, 290.0]}
        looked_at = [
            {"image": None, "object": None, "box": None, "weight": 0.6},
            {"image": "0.jpg", "object": "person", "box": person["box"], "weight": 0.3},
            {"image": "0.jpg", "object": None, "box": None, "weight": 0.1},
        ]
        sign = {"kind": "ocr", "text": "Bonjour Paris", "box": [210.0, 20.0, 390.0, 70.0], "score": 0.8}
        sign["entities"] = [entity("Bonjour Paris", "Paris", "LOC", 0.9)]
        pictures = [image("0.jpg", objects=[person], texts=[sign]), image("gone.jpg", "missing")] if number % 2 else []
        entities = [entity(text, "Grace Hopper", "PER", number / 40, looked_at if number % 2 else []), entity(text, "Paris", "LOC", 0.95)]
        rows.append(row(number, text, entities if number % 5 else [], pictures, {"created_at": f"2026-{1 + number % 12:02}-03T10:00:00Z"}))
    for number, text in enumerate(HOSTILE, 41):
        found = [entity(text, text[:30], "MISC", 0.5)] if len(text.strip()) > 30 else []
        words = {"kind": "alt", "text": text[:1000], "box": None, "score": None, "entities": []}
        rows.append(row(number, text, found, [image(f"1.jpg#{text[:50]}", "corrupt", texts=[words])], {"created_at": text[:50]}))
    rejects = [
        {"stage": "post", "reason": "not_json", "source": "archive/posts.jsonl", "line": number, "payload": text[:1000]}
        for number, text in enumerate(HOSTILE, 60)
    ]
    folder = tmp_path_factory.mktemp("output") / "night"
    return write_output(folder, rows, rejects, [shard], notes=["a note <b>here</b>"], model="m@1", lines=56)
