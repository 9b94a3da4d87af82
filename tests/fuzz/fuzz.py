"""Coverage-guided fuzzing of what reads hostile bytes: posts files, image shards, pictures.

    python tests/fuzz/fuzz.py lines|fields|documents|tables|packings|shards|pictures [-max_total_time=60] [other options of libFuzzer]

It begins with tests/fuzz/corpus and keeps cases that reach new code in out/fuzz; `make fuzz` runs all for a minute each. What
must hold for any bytes is in the functions below; a crash of native code ends the fuzzer and names the case.
"""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from pathlib import Path

import atheris
import msgspec
import pyarrow

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["archive.posts", "archive.images", "PIL"]):
    from archive.images import Member, fetch, index_shard
    from archive.images.decode import Limits, decode
    from archive.images.image_error import ImageError
    from archive.posts.entries import count_entries, describe, read_entries
    from archive.posts.fields.choose import FieldOptions, NoPresetError, choose
    from archive.posts.fields.post import parse
    from archive.posts.fields.presets import PRESETS
    from archive.posts.formats.delimited import delimited_entries
    from archive.posts.formats.document import split_document
    from archive.posts.formats.pages import parse_paths
    from archive.posts.packing import DamagedError
    from archive.posts.records import Entry, Post, Reject, Skipped
    from archive.posts.slices import read_slices

SCRATCH = Path(tempfile.mkdtemp(prefix="postner-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
CAP = 1 << 16
EACH = parse_paths(["data", "a.data"])
LIMITS = Limits(max_image_bytes=1 << 20, max_image_pixels=1 << 20)


def lines(data: bytes) -> None:
    """Every line is a post or a reject, and a file's slices hold each of its lines once."""
    _check_slices(data)


def documents(data: bytes) -> None:
    """The records of a document do not depend on where its chunks are cut."""
    found = []
    for size in (1 + data[0] % 16 if data else 1, 1 << 16):
        records = []
        try:
            for record in split_document([data[start : start + size] for start in range(1, len(data), size)], 1 << 16, EACH):
                records.append(record)  # noqa: PERF402 - those before the damage count
        except DamagedError:
            pass
        found.append(records)
    assert found[0] == found[1]
    _check_slices(data[1:])


def tables(data: bytes) -> None:
    """Rows are numbered without a gap, in CSV as in Parquet."""
    rows: list[Entry] = list(delimited_entries([data], "file", ",", 1 << 12))
    assert [row.line for row in rows] == list(range(1, len(rows) + 1))
    _check_slices(data)


def packings(data: bytes) -> None:
    """A packed file gives entries or damage, and is counted as it is read."""
    path = _file(data)
    describe(path)
    counted = 0
    try:
        for _ in read_entries(path, 1 << 12, ["data"]):
            counted += 1
    except DamagedError:
        pass
    assert count_entries(path, 1 << 12, ["data"]) == counted


def _file(data: bytes) -> str:
    path = SCRATCH / "posts"
    path.write_bytes(data)
    return str(path)


def _check_slices(data: bytes) -> None:
    """The slices of a file hold each of its entries once."""
    following = 1
    for slice_ in read_slices(_file(data), 1 << 12, PRESETS["postner"].fields("postner")):
        costs = sum(reject.stage == "post" for reject in slice_.rejects)
        assert slice_.first_line == following
        assert slice_.lines == len(slice_.posts) + costs + slice_.blanks + sum(slice_.skipped.values())
        following += slice_.lines


def fields(data: bytes) -> None:
    """Any value under any preset is a post whose texts UTF-8 can hold, a reject, or skipped; as a record and as a context."""
    try:
        context = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except (ValueError, RecursionError):
        context = None
    entry = Entry(data, "file", 1, context)
    for name, preset in PRESETS.items():
        found = parse(entry, preset.fields(name))
        assert isinstance(found, Post | Reject | Skipped)
        if isinstance(found, Post):
            "".join((found.id, found.text, *found.images, *found.image_problems, found.extra or "")).encode()
            assert not found.alts or len(found.alts) == len(found.images)
    try:
        told = choose([entry], FieldOptions()).preset
    except NoPresetError as error:
        told = str(error)
    assert "\n" not in told


def shards(data: bytes) -> None:
    """An index never fails, and no member gives more bytes than allowed."""
    path = SCRATCH / ("shard.zip" if data[:1] == b"P" else "shard.tar")
    path.write_bytes(data)
    members = [entry[1] for entry in index_shard(str(path)) if isinstance(entry, tuple) and isinstance(entry[1], Member)]
    for _, found in fetch(members[:100], CAP):
        assert isinstance(found, ImageError) or len(found) <= CAP


def pictures(data: bytes) -> None:
    """A picture has pixels within the cap, or a reason why not."""
    try:
        picture = decode(data, LIMITS, 640)
    except ImageError as error:
        status = error.status
    else:
        height, width, channels = picture.pixels.shape
        status = "ok" if height * width <= LIMITS.max_image_pixels and channels == 3 and 0 <= picture.missing_rows < 1 else "wrong"
    assert status in ("ok", "corrupt", "unsupported", "too_large")


@ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p)
def _EXIT(status: int, _: object) -> None:
    """End at once: libFuzzer ends the process while threads of pyarrow live, and their destructors may wait for each other."""
    os._exit(status)


def main() -> None:
    """Fuzz the target that is named first."""
    targets = {target.__name__: target for target in (lines, fields, documents, tables, packings, shards, pictures)}
    target = sys.argv[1] if len(sys.argv) > 1 else ""
    if target not in targets:
        raise SystemExit(f"fuzz.py: the target is one of {', '.join(targets)}, not {target!r}")
    corpus = Path(__file__).parent / "corpus" / target
    new = ROOT / "out" / "fuzz" / target
    new.mkdir(parents=True, exist_ok=True)
    atheris.Setup(
        [sys.argv[0], "-max_len=4096", f"-artifact_prefix={corpus}/found-", *sys.argv[2:], str(new), str(corpus)], targets[target]
    )
    pyarrow.io_thread_count()  # makes the threads, whose destructor is to come after ours
    ctypes.CDLL(None).on_exit(_EXIT, None)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
