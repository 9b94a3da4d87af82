"""Find the posts files of paths, globs and folders."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from archive.posts.entries import describe
from archive.stores import Version, not_found, resolve, version_in

_OTHER_NAME = re.compile(r"\.(jpe?g|png|gif|webp|bmp|tiff?|avif|heic|mp4|mov|webm|mkv|avi|mp3|wav|pdf|crc)$", re.IGNORECASE)
"""Names that are plain enough for a file in a folder not to be opened."""

_THREADS = 16

_Info = dict[str, Any]


@dataclass(frozen=True)
class FoundPosts:
    """Hold the posts files of a run.

    Attributes:
        files: their addresses, each once, in the order of the patterns and sorted within one.
        in_folders: those that a folder was searched for. Nobody named them, so one may turn out to hold no posts.
        passed_over: how many files in folders hold no posts, by kind and name of the first one.
        versions: of the files.
    """

    files: list[str]
    in_folders: frozenset[str] = frozenset()
    passed_over: dict[str, int] = field(default_factory=dict)
    versions: dict[str, Version] = field(default_factory=dict)


def find_posts(patterns: Sequence[str], option: str, known: Mapping[str, Version] | None = None) -> FoundPosts:
    """Return the posts files of paths, globs and folders, which are searched at all depths.

    Args:
        patterns: what the user gives.
        option: that gives them, for messages.
        known: versions of posts files; files of these versions are not opened.

    Raises:
        ValueError: a pattern matches nothing; the message names the option and the value.
    """
    files: dict[str, str] = {}
    named: set[str] = set()
    versions: dict[str, Version] = {}
    passed_over = _PassedOver()
    for pattern in patterns:
        filesystem, _ = resolve(pattern)
        for file, info, is_named in _find(pattern, option, known or {}, passed_over):
            identity = _identity(filesystem, file)
            if is_named:
                named.add(identity)
            if files.setdefault(identity, file) == file:
                versions[file] = version_in(info)
    searched = frozenset(file for identity, file in files.items() if identity not in named)
    return FoundPosts(list(files.values()), searched, passed_over.summary(), versions)


def _find(pattern: str, option: str, known: Mapping[str, Version], passed_over: _PassedOver) -> list[tuple[str, _Info, bool]]:
    """Return the files that a pattern matches, sorted: address, what its file system tells of it, and whether it is named itself."""
    filesystem, path = resolve(pattern)
    infos = _named(filesystem, path)
    is_name = infos is not None
    if infos is None:
        infos = {name: info for name, info in filesystem.glob(path, detail=True).items() if not _matches_hidden(name, path)}
    infos = {name: _followed(filesystem, name, info) for name, info in infos.items()}
    folders = sorted(name for name, info in infos.items() if info["type"] == "directory")
    files = {name: info for name, info in infos.items() if info["type"] != "directory"}
    named = set(files)
    for folder in folders:
        files |= _in_folder(filesystem, folder, known, passed_over)
    if is_name and folders and not files:
        raise ValueError(f"{option} {pattern!r} is a folder without a file of posts{passed_over}")
    for name, info in sorted(files.items()):
        if info["type"] != "file":
            raise ValueError(f"{option} {pattern!r}: {name!r} is no regular file: give files that are there and can be read again")
        if any(0xD800 <= ord(character) < 0xE000 for character in name):
            raise ValueError(f"{option} {pattern!r}: the name {name!r} is not UTF-8: rename the file")
    if not files:
        raise not_found(option, pattern)
    return [(filesystem.unstrip_protocol(name) if "://" in pattern else name, info, name in named) for name, info in sorted(files.items())]


def _named(filesystem: fsspec.AbstractFileSystem, path: str) -> dict[str, _Info] | None:
    """Return a file or folder of exactly this name, if there is one."""
    try:
        return {path: filesystem.info(path)}
    except OSError:
        return None


def _followed(filesystem: fsspec.AbstractFileSystem, name: str, info: _Info) -> _Info:
    """Return the info of what a link leads to; a listing does not follow links."""
    if info["type"] in ("file", "directory") and not info.get("islink"):
        return info
    return (_named(filesystem, name) or {name: info})[name]


def _matches_hidden(name: str, pattern: str) -> bool:
    """Return whether a wildcard stands for the dot at the beginning of a name, which it does not in a shell."""
    dotted = [part for part in pattern.split("/") if part.startswith(".")]
    return any(part.startswith(".") and not any(fnmatch(part, known) for known in dotted) for part in name.split("/"))


def _in_folder(
    filesystem: fsspec.AbstractFileSystem, folder: str, known: Mapping[str, Version], passed_over: _PassedOver
) -> dict[str, _Info]:
    found = dict(sorted(_walk(filesystem, folder, passed_over, set())))
    with ThreadPoolExecutor(_THREADS) as pool:
        kinds = pool.map(lambda name: _other_kind(filesystem, name, found[name], known), found)
        others = {name: kind for name, kind in zip(found, kinds, strict=True) if kind}
    for name, kind in others.items():
        passed_over.add(kind, name)
    return {name: info for name, info in found.items() if name not in others}


def _walk(filesystem: fsspec.AbstractFileSystem, folder: str, passed_over: _PassedOver, seen: set[str]) -> Iterator[tuple[str, _Info]]:
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
            continue
        kind = (target := _followed(filesystem, name, info))["type"]
        if info["type"] == "directory":
            yield from _walk(filesystem, name, passed_over, seen)
        elif kind == "file":
            yield name, target
        else:
            passed_over.add("no regular file", name)


def _other_kind(filesystem: fsspec.AbstractFileSystem, name: str, info: _Info, known: Mapping[str, Version]) -> str | None:
    """Return the kind of a file that holds no posts, else None."""
    address = name if isinstance(filesystem, LocalFileSystem) else filesystem.unstrip_protocol(name)
    if known.get(address) == version_in(info):
        return None
    extension = _OTHER_NAME.search(name)
    if extension:
        return f".{extension[1].lower()}"
    try:
        return describe(address).other
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
