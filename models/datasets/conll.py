"""Read labelled tweets in CoNLL format.

Each line has one token and its tag. A blank line ends a tweet, and an `IMGID:` line before a tweet names its picture.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.tagging.labels import ALIASES, TYPES, Span


@dataclass(frozen=True)
class LabelledPost:
    """A tweet with gold entities.

    Attributes:
        image: key of its picture without extension, or None.
        tokens: words as split in the file.
        spans: entities over tokens; `type` is an index into the `types` given to `read_conll`.
    """

    image: str | None
    tokens: tuple[str, ...]
    spans: tuple[Span, ...]


def read_conll(path: Path, types: tuple[str, ...]) -> tuple[list[LabelledPost], Counter[str]]:
    """Return the tweets of a file, and counts of repairs (`orphan_inside`: an I- tag without a B- tag before it).

    Raises:
        ValueError: a line is not a token and a tag, or the tag's type is not in `types`. The message names file and line.
            Also if the file has no tweets or is not UTF-8.
    """
    posts: list[LabelledPost] = []
    repaired: Counter[str] = Counter()
    image: str | None = None
    tokens: list[str] = []
    spans: list[Span] = []
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: byte {error.start} is {error.object[error.start]:#x}") from error
    for number, line in enumerate([*lines, ""], start=1):
        if not line.strip():
            if tokens:
                posts.append(LabelledPost(image, tuple(tokens), tuple(spans)))
                image, tokens, spans = None, [], []
        elif line.startswith("IMGID:"):
            image = line[len("IMGID:") :].strip()
        else:
            try:
                token, prefix, kind = _parse(line, types)
            except ValueError as error:
                raise ValueError(f"{path}:{number}: {error}") from error
            repaired["orphan_inside"] += _add_tag(spans, len(tokens), prefix, kind)
            tokens.append(token)
    if not posts:
        raise ValueError(f"{path} holds no tweets: give one token, a tab and its tag per line, and an empty line after each tweet")
    return posts, repaired


def _parse(line: str, types: tuple[str, ...]) -> tuple[str, str, int]:
    """Split a line into token, prefix of its tag (O, B or I) and index of its type, -1 for O. Raises ValueError."""
    fields = line.rstrip("\r").split("\t")
    if len(fields) < 2:
        raise ValueError(f"expected 'token<TAB>tag', found {line!r}")
    token, tag = fields[0], fields[-1].strip()
    if tag == "O":
        return token, tag, -1
    prefix, _, name = tag.partition("-")
    name = ALIASES.get(name, name)
    if prefix not in ("B", "I") or name not in types:
        raise ValueError(f"tag {tag!r} is not O, B- or I- of one of {', '.join(types)}")
    return token, prefix, types.index(name)


def _add_tag(spans: list[Span], position: int, prefix: str, kind: int) -> bool:
    """Extend the last span by a token, or begin a new one. Return True for an I- that does not continue a span."""
    if prefix == "O":
        return False
    continues = bool(spans) and spans[-1].last == position - 1 and spans[-1].type == kind
    if prefix == "I" and continues:
        spans[-1] = spans[-1]._replace(last=position)
        return False
    spans.append(Span(position, position, kind))
    return prefix == "I"


def text_of(post: LabelledPost) -> tuple[str, list[tuple[int, int]]]:
    """Return the tokens joined by one space, and the (start, end) of each token in that text."""
    bounds, position = [], 0
    for token in post.tokens:
        bounds.append((position, position + len(token)))
        position += len(token) + 1
    return " ".join(post.tokens), bounds


def covering(bounds: list[tuple[int, int]], start: int, end: int) -> tuple[int, int] | None:
    """Return the indices of the first and last of the sorted `bounds` that overlap [start, end), or None."""
    hit = [i for i, (a, b) in enumerate(bounds) if a < end and b > start]
    return (hit[0], hit[-1]) if hit else None


def read_all(paths: Sequence[Path], types: tuple[str, ...]) -> dict[str, LabelledPost]:
    """Return the tweets of several files by identifier: folder and name of the file, and the tweet's number in it.

    Raises:
        ValueError: as `read_conll`, or two files have the same folder name and file name.
    """
    posts: dict[str, LabelledPost] = {}
    for path in paths:
        names = path.absolute().parts[-2:]
        if f"{names[0]}/{path.stem}:000000" in posts:
            raise ValueError(
                f"{path} is the second file called {'/'.join(names)}: their tweets would have the same identifiers, rename its folder"
            )
        posts |= {f"{names[0]}/{path.stem}:{index:06d}": post for index, post in enumerate(read_conll(path, types)[0])}
    return posts


def main(argv: list[str]) -> int:
    """Print the posts of CoNLL files as JSONL, for run_pipeline.py and `models.evaluate --rows`."""
    parser = argparse.ArgumentParser(prog="models.datasets.conll", description=main.__doc__)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    try:
        posts = read_all(parser.parse_args(argv).files, TYPES)
    except (ValueError, OSError) as error:
        print(f"models.datasets.conll: {error}", file=sys.stderr)
        return 2
    for name, post in posts.items():
        images = [f"{post.image}.jpg"] if post.image else []
        print(json.dumps({"id": name, "text": text_of(post)[0], "images": images}, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
