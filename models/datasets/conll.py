"""Read labelled posts, in CoNLL format or as JSON with spans, and find their files."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from archive.command_line import Parser
from archive.images.index.names import picture_stem
from models.datasets.columns import read_columns
from models.datasets.labelled_post import LabelledPost, text_of
from models.datasets.spans import read_spans
from models.datasets.type_names import TypeNames
from models.tagging.labels import ALIASES

EXTENSIONS = ("txt", "conll", "jsonl", "json")


def file_of(folder: Path, name: str) -> Path:
    """Return the file of a folder that is called `train` or `valid`. A file stands for itself.

    Raises:
        ValueError: there are several, or none.
    """
    if folder.is_file():
        return folder
    if not folder.is_dir():
        raise ValueError(
            f"there is no file or folder {str(folder)!r}: give labelled posts, or a folder that holds {name}.txt or {name}.jsonl"
        )
    found = [path for extension in EXTENSIONS if (path := folder / f"{name}.{extension}").is_file()]
    if len(found) > 1:
        raise ValueError(f"{folder} has {' and '.join(path.name for path in found)}: keep one of them")
    if not found:
        raise ValueError(f"{folder} holds no {name}.txt, {name}.conll, {name}.jsonl or {name}.json: name the file of labelled posts so")
    return found[0]


def read_labelled(path: Path, names: TypeNames) -> tuple[list[LabelledPost], Counter[str]]:
    """Return the posts of a file, JSON or CoNLL by its first character, and counts of repairs. Raises ValueError, OSError."""
    with path.open("rb") as file:
        is_json = file.read(1024).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")
    posts, repaired = (read_spans if is_json else read_columns)(path, names)
    return posts, +repaired


def read_conll(path: Path, types: tuple[str, ...]) -> tuple[list[LabelledPost], Counter[str]]:
    """Return the posts of a file as `read_labelled`; types of known data sets are read as ours (`ALIASES`)."""
    return read_labelled(path, TypeNames(types, {name: alias for name, alias in ALIASES.items() if name not in types}))


def type_names_in(paths: Iterable[Path]) -> list[str]:
    """Return the type names in files, as they are written there. Raises as `read_labelled`."""
    names = TypeNames(None, {})
    for path in paths:
        read_labelled(path, names)
    return names.seen


def read_all(paths: Sequence[Path], types: Sequence[str], renames: Mapping[str, str]) -> dict[str, LabelledPost]:
    """Return the posts of several files by identifier: folder and name of the file, and the post's number in it.

    Raises:
        ValueError: as `read_labelled`, or two files have the same folder name and file name.
    """
    posts: dict[str, LabelledPost] = {}
    for path in paths:
        names = path.absolute().parts[-2:]
        if f"{names[0]}/{path.stem}:000000" in posts:
            raise ValueError(
                f"{path} is the second file called {'/'.join(names)}: their tweets would have the same identifiers, rename its folder"
            )
        read, _ = read_labelled(path, TypeNames(types, renames))
        posts |= {f"{names[0]}/{path.stem}:{index:06d}": post for index, post in enumerate(read)}
    return posts


def main(argv: list[str]) -> int:
    """Print the posts of labelled files as JSONL, for run_pipeline.py and `models.evaluate --rows`."""
    parser = Parser("models.datasets.conll", main.__doc__)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    files = parser.parse_args(argv).files
    try:
        posts = read_all(files, type_names_in(files), {})
    except (ValueError, OSError) as error:
        print(f"models.datasets.conll: {error}", file=sys.stderr)
        return 2
    for name, post in posts.items():
        images = [post.image if picture_stem(post.image) else f"{post.image}.jpg"] if post.image else []
        print(json.dumps({"id": name, "text": text_of(post)[0], "images": images}, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
