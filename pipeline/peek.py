"""Show what is in an archive, and the command to type: `python -m pipeline.peek ARCHIVE [--images SHARDS]`.

No model is loaded. It tells the kinds of the files, the preset and the fields of the first one, three posts as they would be
read, keys of pictures beside names in the shards, and what would be passed over. With `--sample N` it also annotates N posts,
taken from the beginnings of files all over the archive, and tells the rate, the time and the disk that the whole would take.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from archive.credentials import store_problems_as
from archive.images import End, Link, ShardProblem, index_shard
from archive.posts.entries import FileKind, describe
from archive.posts.fields.post import parse
from archive.posts.fields.presets import Fields
from archive.posts.first_records import FirstRecords
from archive.posts.places import why_whole
from archive.posts.records import Entry, Post, Reject
from pipeline.definitions import UsageError, parser_of
from pipeline.inputs import THREADS, FoundInputs, choose_fields, find_inputs
from pipeline.options import OPTIONS, RunOptions
from pipeline.process import EXIT_DONE, EXIT_USAGE
from pipeline.show import printable
from pipeline.unknown_options import refuse_misspelt

SHOWN = 3
FIELD_OPTIONS = ("images", "preset", "each", "id", "text", "images_field", "alt", "markup", "model", "detector", "max_line_bytes")
LARGE_WINDOW_BYTES = 128 * 2**20
WIDTH = 160
"""Longest path that is shown whole; a preset may have twenty alternatives."""

LOOKED_AT = 256
"""Limit for the files that are opened, spread evenly over the archive: an answer takes seconds."""


def main(argv: Sequence[str]) -> int:
    """The command. Returns its exit status: 2 for a mistake, told in one sentence."""
    options = [option for option in OPTIONS if option.name in FIELD_OPTIONS]
    parser = parser_of(options, __doc__ or "", "")
    parser.prog = "python -m pipeline.peek"
    parser.add_argument("posts", nargs="+", metavar="ARCHIVE", help="posts files: paths, globs or folders")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="also annotate N posts, and tell what the whole would take")
    try:
        if any(word.split("=")[0] == "--posts" for word in argv):
            raise UsageError("the archive stands alone, without --posts: python -m pipeline.peek ARCHIVE")
        refuse_misspelt(argv, [*FIELD_OPTIONS, "sample"])
        given = vars(parser.parse_args(argv))
        sample = given.pop("sample")
        if sample < 0:
            raise UsageError(f"--sample must be 1 or more, not {sample}")
        for option in options:
            option.check(given[option.name])
        run = RunOptions(**given | {"posts": tuple(given["posts"]), "images": tuple(given["images"]), "output": "OUT"})
        with store_problems_as(UsageError):
            inputs = find_inputs(run)
            spread = inputs._replace(posts=inputs.posts[:: -(-len(inputs.posts) // LOOKED_AT)])
            looked_at, first = choose_fields(spread, run)
            for line in _report(run, inputs, looked_at, first):
                print(line, flush=True)
        if sample:
            from pipeline.sample import estimate  # it loads the models

            print(estimate(run, looked_at, sample))
        return EXIT_DONE
    except UsageError as error:
        print(f"postner: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_USAGE


def _report(run: RunOptions, inputs: FoundInputs, looked_at: FoundInputs, first: Mapping[str, FirstRecords]) -> Iterator[str]:
    """Yield the lines of the report on all inputs, by the first records of those that were looked at."""
    yield from _files(len(inputs.posts), looked_at, run.max_line_bytes)
    address, (fields, entries) = next(iter(first.items()))
    yield "read as " + _several(Counter(records.fields.preset for records in first.values()))
    yield f"fields  preset {fields.preset} by the first records of {printable(address)}"
    for name in ("each", "id", "text", "images", "alt", "markup"):
        if value := getattr(fields, name):
            yield f"        {name:<7} {printable(_cut(value))}"
    yield f"first   {printable(_beginning(entries)) or 'no record: the file is empty'}"
    parsed = [parse(entry, fields) for entry in entries]
    posts = [post for post in parsed if isinstance(post, Post)]
    for post in posts[:SHOWN]:
        yield f"post    {printable(post.id)}: {printable(post.text[:200])}"
        for key in post.images[:SHOWN]:
            yield f"        picture {printable(key)}"
    if len(posts) < len(parsed):
        kinds = Counter(other.reason if isinstance(other, Reject) else other.kind for other in parsed if not isinstance(other, Post))
        yield f"other   {sum(kinds.values())} of the first {len(parsed)} records are no posts: " + _several(kinds)
    yield from _pictures(inputs, [key for post in posts for key in post.images])
    yield "command " + _command(run, fields)


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[:WIDTH]}…"


def _files(files: int, inputs: FoundInputs, max_line_bytes: int) -> Iterator[str]:
    with ThreadPoolExecutor(THREADS) as threads:
        kinds = dict(zip(inputs.posts, threads.map(describe, inputs.posts), strict=True))
        whole = dict(zip(inputs.posts, threads.map(lambda name: why_whole(name, max_line_bytes), inputs.posts), strict=True))
    yield f"posts   {files:,} files: " + _several(Counter(_kind(kind) for kind in kinds.values()))
    if len(kinds) < files:
        yield f"        {len(kinds):,} of them were looked at"
    yield from _cutting(whole)
    windows = max((kind.window_bytes or 0 for kind in kinds.values()), default=0)
    if windows > LARGE_WINDOW_BYTES:
        yield f"        reading them takes up to {windows / 2**30:.1f} GB of memory: the window of zstd"
    if inputs.passed_over:
        yield "passed over  " + _several(Counter(inputs.passed_over))


def _cutting(whole: Mapping[str, str | None]) -> Iterator[str]:
    """Yield which files can be cut, and why the others cannot."""
    names: dict[str | None, list[str]] = {}
    for address, why in whole.items():
        names.setdefault(why, []).append(printable(address.rsplit("/", 1)[-1]))
    if shared := names.pop(None, []):
        yield f"        several workers of an engine share each large one of {len(shared):,} files: {_first(shared)}"
    for why, those in names.items():
        yield f"        one worker reads each of {len(those):,} files that cannot be cut ({why}): {_first(those)}"


def _first(names: Sequence[str]) -> str:
    return ", ".join([*names[:SHOWN], *["..."] * (len(names) > SHOWN)])


def _kind(kind: FileKind) -> str:
    return " of ".join([*kind.packings, kind.format])


def _several(counts: Counter[str]) -> str:
    shown = [f"{printable(name)} {amount:,}" for name, amount in counts.most_common(2 * SHOWN)]
    return ", ".join(shown + ["..."] * (len(counts) > 2 * SHOWN))


def _beginning(entries: Sequence[Entry]) -> str:
    data = next((entry.data for entry in entries if not isinstance(entry.data, bytes) or entry.data.strip()), b"")
    return (data if isinstance(data, bytes) else json.dumps(data, default=str).encode())[:300].decode("utf-8", "replace")


def _pictures(inputs: FoundInputs, keys: Sequence[str]) -> Iterator[str]:
    if not inputs.shards:
        if keys:
            yield "images  the posts name pictures: add --images with the shards that hold them"
        return
    names = list(islice(_member_names(inputs.shards[0]), SHOWN))
    yield f"images  {len(inputs.shards):,} shards"
    yield f"        keys of posts:   {', '.join(map(printable, keys[:SHOWN])) or 'none: give --images_field'}"
    yield f"        names in shards: {', '.join(map(printable, names)) or 'none'}"


def _member_names(shard: str) -> Iterator[str]:
    for entry in index_shard(shard):
        if not isinstance(entry, ShardProblem | End) and not isinstance(entry[1], Link):
            yield entry[0]


def _command(run: RunOptions, fields: Fields) -> str:
    words = ["python", "run_pipeline.py"]
    for option in OPTIONS:
        value = getattr(run, option.name)
        if option.kind == "several":
            words += [word for one in value for word in (f"--{option.name}", one)]
        elif value != option.default and option.name != "output":
            words += [f"--{option.name}", str(value)]
    return shlex.join([*words, "--output", "OUT"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
