"""Find the posts files of paths, globs and folders."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatch

import fsspec
from fsspec.implementations.local import LocalFileSystem

from archive.posts.entries import describe
from archive.stores import found_files, resolve

_OTHER_NAME = re.compile(r"\.(jpe?g|png|gif|webp|bmp|tiff?|avif|heic|mp4|mov|webm|mkv|avi|mp3|wav|pdf|crc)$", re.IGNORECASE)
"""Names that are plain enough for a file in a folder not to be opened."""

_THREADS = 16


@dataclass(frozen=True)
class FoundPosts:
    """Hold the posts files of a run.

    Attributes:
        files: their addresses, each once, in the order of the patterns and sorted within one.
        in_folders: those that a folder was searched for. Nobody named them, so one may turn out to hold no posts.
        passed_over: how many files in folders hold no posts, by kind and name of the first one.
    """

    files: list[str]
    in_folders: frozenset[str] = frozenset()
    passed_over: dict[str, int] = field(default_factory=dict)


def find_posts(patterns: Sequence[str], option: str) -> FoundPosts:
    """Return the posts files of paths, globs and folders, which are searched at all depths.

    Raises:
        ValueError: a pattern matches nothing; the message names the option and the value.
    """
    files: dict[str, str] = {}
    named: set[str] = set()
    passed_over = _PassedOver()
    for pattern in patterns:
        filesystem, _ = resolve(pattern)
        found, in_folders = _find(pattern, option, passed_over)
        for file in found:
            identity = _identity(filesystem, file)
            files.setdefault(identity, file)
            if file not in in_folders:
                named.add(identity)
    searched = frozenset(file for identity, file in files.items() if identity not in named)
    return FoundPosts(list(files.values()), searched, passed_over.summary())


def _find(pattern: str, option: str, passed_over: _PassedOver) -> tuple[list[str], set[str]]:
    """Return the addresses of the files that a pattern stands for, and those of them that lie in a folder that it names."""
    filesystem, path = resolve(pattern)
    is_name = filesystem.exists(path)
    names = [path] if is_name else sorted(name for name in filesystem.glob(path) if not _matches_hidden(name, path))
    folders = [name for name in names if filesystem.isdir(name)]
    paths = [name for name in names if name not in set(folders)]
    inner = [name for folder in folders for name in _in_folder(filesystem, folder, passed_over)]
    if folders == [path] and not inner:
        raise ValueError(f"{option} {pattern!r} is a folder without a file of posts{passed_over}")
    named = found_files(filesystem, paths, pattern, option) if paths or not inner else []
    searched = found_files(filesystem, inner, pattern, option) if inner else []
    return sorted({*named, *searched}), set(searched) - set(named)


def _matches_hidden(name: str, pattern: str) -> bool:
    """Return whether a wildcard stands for the dot at the beginning of a name, which it does not in a shell."""
    dotted = [part for part in pattern.split("/") if part.startswith(".")]
    return any(part.startswith(".") and not any(fnmatch(part, known) for known in dotted) for part in name.split("/"))


def _in_folder(filesystem: fsspec.AbstractFileSystem, folder: str, passed_over: _PassedOver) -> list[str]:
    names = sorted(_walk(filesystem, folder, passed_over, set()))
    with ThreadPoolExecutor(_THREADS) as pool:
        kinds = list(pool.map(lambda name: _other_kind(filesystem, name), names))
    for name, kind in zip(names, kinds, strict=True):
        if kind:
            passed_over.add(kind, name)
    return [name for name, kind in zip(names, kinds, strict=True) if not kind]


def _walk(filesystem: fsspec.AbstractFileSystem, folder: str, passed_over: _PassedOver, seen: set[str]) -> Iterator[str]:
    """Yield the files in a folder at all depths, without those that are hidden. A folder is visited once, whatever links say."""
    place = _identity(filesystem, folder)
    if place in seen:
        return
    seen.add(place)
    for info in sorted(filesystem.ls(folder, detail=True), key=lambda info: info["name"]):
        name = info["name"].rstrip("/")
        if name == folder.rstrip("/"):
            continue  # an object store's mark of the folder itself
        if name.rsplit("/", 1)[-1][:1] in (".", "_"):
            passed_over.add("hidden", name)
        elif info["type"] == "directory":
            yield from _walk(filesystem, name, passed_over, seen)
        elif info["type"] == "file" or filesystem.isfile(name):
            yield name
        else:
            passed_over.add("no regular file", name)


def _other_kind(filesystem: fsspec.AbstractFileSystem, name: str) -> str | None:
    """Return the kind of a file that holds no posts, else None."""
    extension = _OTHER_NAME.search(name)
    if extension:
        return f".{extension[1].lower()}"
    try:
        return describe(name if isinstance(filesystem, LocalFileSystem) else filesystem.unstrip_protocol(name)).other
    except OSError:
        return None  # reading it tells what is wrong


def _identity(filesystem: fsspec.AbstractFileSystem, path: str) -> str:
    return os.path.realpath(path) if isinstance(filesystem, LocalFileSystem) else filesystem.unstrip_protocol(path)


class _PassedOver:
    """Count what is passed over, by kind, with the first name of each."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}

    def add(self, kind: str, name: str) -> None:
        self._names.setdefault(kind, []).append(name.rsplit("/", 1)[-1])

    def summary(self) -> dict[str, int]:
        return {f"{kind}: {names[0]}": len(names) for kind, names in self._names.items()}

    def __str__(self) -> str:
        listed = ", ".join(f"{count} {name}" for name, count in self.summary().items())
        return f": passed over are {listed}" if listed else ""
