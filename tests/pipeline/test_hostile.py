"""Posts, keys, shards and pictures that mean harm, through the whole command."""

from __future__ import annotations

import io
import json
import struct
import sys
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.command import main
from pipeline.inspection import inspect
from pipeline.process import EXIT_DONE, EXIT_USAGE

KEYS = [
    "../../etc/passwd",
    "/etc/passwd",
    "http://169.254.169.254/",
    "file:///etc/passwd",
    "a\u0000b.jpg",
    "",
    "k" * 10_000,
    "\u202egpj.exe",
]
OPENED: list[str] = []
CONNECTED: list[Any] = []
WATCHING = False


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if WATCHING and event == "open" and isinstance(arguments[0], str | bytes):
        OPENED.append(arguments[0] if isinstance(arguments[0], str) else arguments[0].decode(errors="replace"))
    elif WATCHING and event == "socket.connect":
        CONNECTED.append(arguments[1])


def png(width: int, height: int) -> bytes:
    """A PNG that is nothing but promises."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 10**6)) + chunk(b"IEND", b"")


def gif_of_many_frames() -> bytes:
    file = io.BytesIO()
    Image.new("P", (4, 4), 7).save(file, "GIF")
    start, frame = file.getvalue()[:-1], b"\x2c\0\0\0\0\x04\0\x04\0\0" + file.getvalue()[:-1].split(b"\x2c\0\0\0\0\x04\0\x04\0\0", 1)[1]
    return start + frame * 10_000 + b"\x3b"


def pictures(jpeg: bytes) -> dict[str, tuple[bytes, str]]:
    """Pictures and the status that each must have."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("payload.html", "<script>alert(1)</script>")
    larger = jpeg.index(b"\xff\xc0") + 5
    exif = b"\xff\xe1" + struct.pack(">H", 0xFFFF) + b"Exif\0\0MM\0*\0\0\0\x08" + b"\xff" * (0xFFFF - 16)
    return {
        "good.jpg": (jpeg, "ok"),
        "polyglot.jpg": (jpeg + file.getvalue(), "ok"),
        "frames.gif": (gif_of_many_frames(), "ok"),
        "exif.jpg": (jpeg[:2] + exif + jpeg[2:], "ok"),
        "one.png": (png(1, 1), "ok"),
        "bomb.png": (png(50_000, 50_000), "too_large"),
        "liar.jpg": (jpeg[:larger] + struct.pack(">HH", 65_000, 65_000) + jpeg[larger + 4 :], "too_large"),
        "half.jpg": (jpeg[: len(jpeg) // 3], "partial"),
        "page.jpg": (b"<html><script>alert(1)</script></html>", "corrupt"),
        "vector.jpg": (b'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://169.254.169.254/"/></svg>', "unsupported"),
        "script.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n", "corrupt"),
        "empty.jpg": (b"", "corrupt"),
    }


def tar_of(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for kind, name in ((tarfile.SYMTYPE, "link.jpg"), (tarfile.LNKTYPE, "hard.jpg"), (tarfile.CHRTYPE, "device.jpg")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        info = tarfile.TarInfo("lies.jpg")
        info.size = 10**12
        file.write(info.tobuf())
    return file.getvalue()


LINES = {
    b'{"id": "deep", "text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}": "too_deep",
    b'{"id": "nan", "text": NaN}': "no_text",
    b'{"id": "\xff", "text": ""}': "not_utf8",
    b'{"id": 1.5, "text": ""}': "wrong_type",
    b'{"id": "no text"}': "no_text",
    b'{"id": "cut", "text": "': "not_json",
    b'{"text": "no id"}': "no_id",
    b'{"id": "long", "text": "' + b"x" * 12_000_000 + b'"}': "too_long",
    b"[1, 2]": "not_an_object",
    b"": "blank",
    b" \t": "blank",
}
SIGNS = ["\u0301" * 3000, "\U0001f600" * 2000, "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 300, "\u202eright to left\u202c"]
TEXTS = [*SIGNS, "\u0000NUL", "'; DROP TABLE posts; --", "\x1b[31mred", "a" * 100_000, ""]


def test_nothing_is_lost_and_nothing_else_is_opened(
    tmp_path: Path, posts_file: Callable[..., Path], jpeg: Callable[..., bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    global WATCHING
    made = pictures(jpeg(1, (200, 150)))
    (tmp_path / "a.tar").write_bytes(tar_of({name: data for name, (data, _) in made.items()}))
    (tmp_path / "b.tar").write_bytes(b"\x1f\x8b" + b"no tar" * 500)
    posts = [{"id": f"p{i}", "text": text, "images": [*made, *KEYS, "link.jpg", "lies.jpg"]} for i, text in enumerate(TEXTS)]
    posts += [{"id": "half", "text": "\ud83d", "x": float("nan")}]
    posts += [{"id": "p0", "text": "Anna in Paris"}, {"id": 10**30, "text": "Bob", "x": {"id": "inner"}}]
    path = posts_file(*LINES, *posts, b'{"id": "first", "id": "twice", "text": "a", "text": "Carla in Rome"}')
    sys.addaudithook(_watch)
    WATCHING = True
    try:
        assert main(["--threads=1", f"--posts={path}", f"--images={tmp_path}/*.tar", f"--output={tmp_path}/out"]) == EXIT_DONE
    finally:
        WATCHING = False
    told = capfd.readouterr()
    assert "Traceback" not in told.out + told.err
    assert not CONNECTED
    assert not [name for name in OPENED if "passwd" in name or "169.254" in name or "payload.html" in name]
    assert any(name.endswith("a.tar") for name in OPENED)

    summary = json.loads((tmp_path / "out" / "run.json").read_text())
    reasons = Counter(LINES.values())
    assert summary["blanks"] == reasons.pop("blank")
    assert summary["rejects"]["post"] == reasons
    assert summary["rows"] == len(posts) + 1
    assert inspect(str(tmp_path / "out")) == []

    rows = {row["line"]: row for row in pq.read_table(tmp_path / "out" / "annotations").to_pylist()}
    texts = [rows[number]["text"] for number in sorted(rows)]
    assert texts == [*TEXTS, "\ufffd", "Anna in Paris", "Bob", "Carla in Rome"]
    statuses = {image["key"]: image["status"] for image in rows[len(LINES) + 1]["images"]}
    wanted = {name: status for name, (_, status) in made.items()} | dict.fromkeys([*KEYS, "link.jpg"], "missing")
    assert statuses == wanted | {"lies.jpg": "corrupt"}
    assert rows[max(rows) - 1]["post_id"] == str(10**30)
    assert rows[max(rows)]["post_id"] == "twice"


def test_names_that_chain_file_systems_are_names(tmp_path: Path, posts_file: Callable[..., Path], jpeg: Callable[..., bytes]) -> None:
    """To fsspec `a::b.jpg` is file b.jpg inside a, and a may be a link to anywhere."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    (tmp_path / "secret.jpg").write_bytes(jpeg(1, (99, 9)))
    (folder / "s").symlink_to(tmp_path / "secret.jpg")
    (folder / "s::y.jpg").write_bytes(jpeg(2, (40, 30)))
    posts = posts_file({"id": 1, "text": "", "images": ["s::y.jpg", "s"]}, name="a::b.jsonl")
    assert main(["--threads=1", f"--posts={posts}", f"--images={folder}", f"--output={tmp_path}/out"]) == EXIT_DONE
    (row,) = pq.read_table(tmp_path / "out" / "annotations").to_pylist()
    assert [(image["status"], image["width"]) for image in row["images"]] == [("ok", 40), ("missing", None)]
    assert row["source"] == str(posts)


def test_files_whose_names_are_no_text_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "p\udcff.jsonl").write_text('{"id": 1, "text": ""}')
    assert main([f"--posts={tmp_path}/*.jsonl", f"--output={tmp_path}/out"]) == EXIT_USAGE
    assert "not UTF-8" in capsys.readouterr().err
