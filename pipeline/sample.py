"""Annotate some posts of an archive, and estimate what the whole would take."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import zlib
from pathlib import Path

import msgspec
from tqdm import tqdm

from archive.posts.entries import describe
from archive.posts.fields.post import parse
from archive.posts.first_records import first_records
from archive.posts.records import Entry, Post
from archive.stores import resolve
from pipeline import manifest
from pipeline.command import main as run_pipeline
from pipeline.definitions import UsageError
from pipeline.inputs import FoundInputs
from pipeline.options import RunOptions

FILES = 16
"""From how many files the posts are taken, spread evenly over the archive."""


def estimate(run: RunOptions, inputs: FoundInputs, posts: int) -> str:
    """Annotate about so many posts and return what the whole archive would take, in words.

    The number of posts in the archive is estimated from the bytes of a record, packed as its file is.

    Raises:
        UsageError: the posts cannot be annotated.
    """
    chosen = inputs.posts[:: max(1, len(inputs.posts) // FILES)][:FILES]
    packed_bytes = taken = 0
    with tempfile.TemporaryDirectory(prefix="postner-sample-") as folder:
        sample = Path(folder) / "posts.jsonl"
        with sample.open("wb") as file:
            for address in chosen:
                fields, entries = first_records(address, run.max_line_bytes, run.fields, -(-posts // len(chosen)))
                raw = b"\n".join(map(_bytes_of, entries))
                packed_bytes += len(zlib.compress(raw) if describe(address).packings else raw)
                taken += len(entries)
                file.writelines(_line_of(post) for entry in entries if isinstance(post := parse(entry, fields), Post))
        summary = _annotate(run, sample, f"{folder}/out")
        disk_bytes = sum(path.stat().st_size for path in Path(folder, "out").rglob("*.parquet"))
    rows, rate = summary["rows"], summary["posts_per_second"]
    whole = sum(map(_size, inputs.posts)) * rows / max(packed_bytes, 1)
    taken_s = tqdm.format_interval(whole / rate)
    return (
        f"sample  {rows:,} posts from {len(chosen)} of {len(inputs.posts):,} files: {rate} posts/s\n"
        f"whole   about {whole:,.0f} posts: {taken_s} on this machine, {whole * disk_bytes / rows / 1e9:.3f} GB of output"
    )


def _bytes_of(entry: Entry) -> bytes:
    return entry.data if isinstance(entry.data, bytes) else json.dumps(entry.data, default=str).encode()


def _line_of(post: Post) -> bytes:
    return msgspec.json.encode({"id": post.id, "text": post.text, "images": post.images}) + b"\n"


def _size(address: str) -> int:
    filesystem, path = resolve(address)
    return filesystem.size(path) or 0


def _annotate(run: RunOptions, sample: Path, output: str) -> dict[str, float]:
    words = [f"--posts={sample}", "--preset=postner", f"--output={output}", f"--model={run.model}"]
    words += [f"--detector={run.detector or 'none'}"]
    words += [f"--images={images}" for images in run.images]
    said, failed = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(failed):
        status = run_pipeline(words)
    if status:
        why = failed.getvalue().strip().rpartition(" postner: ")[2] or said.getvalue().strip()
        raise UsageError(f"--sample: {why}")
    return manifest.load(output)[1]
