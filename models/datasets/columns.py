"""Read labelled tweets in CoNLL format.

Each line has one token and its tag. A blank line ends a tweet, and an `IMGID:` line before a tweet names its picture.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from models.datasets.labelled_post import LabelledPost, add_tag
from models.datasets.type_names import TypeNames
from models.tagging.labels import Span


def read_columns(path: Path, names: TypeNames) -> tuple[list[LabelledPost], Counter[str]]:
    """Return the tweets of a file, and counts of repairs (`orphan_inside`: an I- tag without a B- tag before it).

    Raises:
        ValueError: a line is not a token and a tag, or the tag's type is not in the list. The message names file and line.
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
                token, prefix, kind = _parse(line, names)
            except ValueError as error:
                raise ValueError(f"{path}:{number}: {error}") from error
            repaired["orphan_inside"] += add_tag(spans, len(tokens), prefix, kind)
            tokens.append(token)
    if not posts:
        raise ValueError(f"{path} holds no tweets: give one token, a tab and its tag per line, and an empty line after each tweet")
    return posts, repaired


def _parse(line: str, names: TypeNames) -> tuple[str, str, int]:
    """Split a line into token, prefix of its tag (O, B or I) and index of its type, -1 for O. Raises ValueError."""
    fields = line.rstrip("\r").split("\t")
    if len(fields) < 2:
        raise ValueError(f"expected 'token<TAB>tag', found {line!r}")
    token, tag = fields[0], fields[-1].strip()
    prefix, _, name = tag.partition("-")
    if tag != "O" and (prefix not in ("B", "I") or not name):
        raise ValueError(f"tag {tag!r} is not O, B- or I- of a type")
    kind = -1 if tag == "O" else names.index(name)
    return token, prefix if kind >= 0 else "O", kind
