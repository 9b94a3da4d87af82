"""Find the shards that patterns name."""

from __future__ import annotations

import errno
import glob
import itertools
import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any

import fsspec
from braceexpand import braceexpand
from fsspec.implementations.local import LocalFileSystem

from archive.images import folder, packing
from archive.images.member import is_text
from archive.stores import Version, not_found, resolve, version_in

_READERS = 32
"""Files that are looked at in parallel: on a store each costs a round trip."""

_MOST_NAMES = 1_000_000
"""Limit for the names that the braces of one pattern stand for: a typing error must not fill the memory."""


@dataclass(frozen=True)
class FoundShards:
    """Hold what patterns match.

    Attributes:
        shards: addresses, in the order of the patterns, those of one pattern sorted; a folder's ends in "/".
        passed_over: counts of what matched and is no shard, by kind and first name, such as `{".json: 00000.json": 3}`.
        versions: of the shards that are files.
    """

    shards: list[str]
    passed_over: dict[str, int]
    versions: dict[str, Version] = field(default_factory=dict)


@dataclass(frozen=True)
class _Match:
    """Hold a file or folder that a pattern matches, with the info of its file system.

    Attributes:
        is_named: no wildcard and no folder led to it.
    """

    filesystem: fsspec.AbstractFileSystem
    address: str
    info: dict[str, Any]
    is_named: bool

    @property
    def identity(self) -> str:
        """Return what is equal for two ways to write one address."""
        return os.path.realpath(self.info["name"]) if isinstance(self.filesystem, LocalFileSystem) else self.address.rstrip("/")

    @property
    def version(self) -> Version:
        return version_in(self.info)

    @property
    def name(self) -> str:
        return posixpath.basename(self.info["name"].rstrip("/"))


KIND = "kind in its folder"
"""Name of our own entry in the info of a file; Google's store has a `kind` too."""


def find_shards(patterns: Sequence[str], option: str, known: Mapping[str, Version] | None = None) -> FoundShards:
    """Return the shards that patterns match: tars, zips, folders of pictures.

    A pattern is a file, a folder, a glob, or has WebDataset's braces. A shard that several patterns match counts once.
    A file that ends in .tar or .zip is returned even if it is damaged: indexing tells.

    Args:
        patterns: what the user gives.
        option: that gives them, for messages.
        known: versions of shards; files of these versions are not opened.

    Raises:
        ValueError: a pattern matches no shard, a named file does not exist, or a shard is a compressed tar. The message
            names the option and the file.
    """
    shards: list[str] = []
    versions: dict[str, Version] = {}
    seen: set[str] = set()
    passed_over: dict[str, tuple[str, int]] = {}

    def pass_over(kind: str, name: str) -> None:
        first, count = passed_over.get(kind, (name, 0))
        passed_over[kind] = first, count + 1

    with ThreadPoolExecutor(_READERS) as pool:
        for pattern in patterns:
            matches = {match.identity: match for match in _matches(pattern, option, pool)}
            new = sorted((match for identity, match in matches.items() if identity not in seen), key=attrgetter("address"))
            new = list(pool.map(_followed, new))
            kinds = pool.map(lambda match: _kind(match, option, known or {}), new)
            has_shard = len(new) < len(matches)
            seen |= matches.keys()
            for match, kind in zip(new, kinds, strict=True):
                if kind == "shard":
                    shards.append(match.address)
                    if not match.address.endswith("/"):
                        versions[match.address] = match.version
                    has_shard = True
                else:
                    pass_over(kind, match.name)
            if not has_shard:
                raise not_found(option, pattern, "tar, zip or picture" if matches or _is_folder(pattern) else "file")
    return FoundShards(shards, {f"{kind}: {name}": count for kind, (name, count) in passed_over.items()}, versions)


def _matches(pattern: str, option: str, pool: ThreadPoolExecutor) -> Iterator[_Match]:
    names = [pattern] if _info(pattern) else _expanded(pattern, option)
    for name, info in zip(names, pool.map(_info, names), strict=True):
        filesystem, path = resolve(name)
        if info is None and not glob.has_magic(path):
            raise not_found(option, name)
        if info is None:
            yield from _globbed(filesystem, name, path)
        elif info["type"] == "directory":
            yield from _in_folder(filesystem, name, path)
        else:
            yield _Match(filesystem, _address(filesystem, name, path), info, True)


def _expanded(pattern: str, option: str) -> list[str]:
    """Return the names that the braces of a pattern stand for; a missing one is an error, as in WebDataset."""
    try:
        names = list(itertools.islice(braceexpand(pattern, escape=False), _MOST_NAMES + 1))
    except ValueError:  # unbalanced braces are part of a name
        return [pattern]
    if len(names) > _MOST_NAMES:
        raise ValueError(f"{option} {pattern!r} stands for more than {_MOST_NAMES:,} names: give fewer, or a folder")
    return names


def _globbed(filesystem: fsspec.AbstractFileSystem, pattern: str, path: str) -> Iterator[_Match]:
    start = _magic_start(path)
    shows_hidden = "/." in "/" + path[start:]
    for found, info in filesystem.glob(path, detail=True).items():
        if shows_hidden or "/." not in "/" + found[start:]:
            yield _Match(filesystem, _address(filesystem, pattern, found), info, False)


def _magic_start(path: str) -> int:
    """Return where the first part of a path begins that has a wildcard."""
    first = next((at for at, sign in enumerate(path) if sign in "*?["), len(path))
    return path.rfind("/", 0, first) + 1


def _in_folder(filesystem: fsspec.AbstractFileSystem, name: str, path: str) -> Iterator[_Match]:
    root = path.rstrip("/")
    kinds = set()
    for found, info in filesystem.find(root, detail=True).items():
        kind = folder.kind(found[len(root) + 1 :])
        kinds.add(kind)
        if kind != "picture":
            yield _Match(filesystem, _address(filesystem, name, found), info | {KIND: kind}, False)
    if "picture" in kinds:
        yield _Match(filesystem, _address(filesystem, name, root) + "/", {"name": root, KIND: "shard"}, True)


def _info(name: str) -> dict[str, Any] | None:
    """Return what the file system tells of a file, or None if there is none. Raises ValueError where it cannot tell."""
    filesystem, path = resolve(name)
    try:
        return filesystem.info(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # a pattern may be longer than any name
            return None
        raise ValueError(f"{name!r} cannot be read: {error}") from error


def _is_folder(name: str) -> bool:
    info = _info(name)
    return info is not None and info["type"] == "directory"


def _address(filesystem: fsspec.AbstractFileSystem, pattern: str, path: str) -> str:
    return filesystem.unstrip_protocol(path) if "://" in pattern else path


def _followed(match: _Match) -> _Match:
    """Return a match with the info of what a link leads to; a listing does not follow links."""
    is_link = not match.address.endswith("/") and (match.info["type"] == "other" or match.info.get("islink"))
    return replace(match, info=match.info | (_info(match.address) or {})) if is_link else match


def _kind(match: _Match, option: str, known: Mapping[str, Version]) -> str:
    """Return `shard`, or what kind of file is passed over. Raises ValueError as `find_shards` does."""
    if match.address.endswith("/") or match.info.get(KIND, "shard") != "shard":
        return match.info[KIND]
    if not is_text(match.address):
        raise ValueError(f"{option}: the name {match.address!r} is not UTF-8: rename the file")
    info = match.info
    if info["type"] == "directory":
        return "folder"
    if info["type"] != "file":
        raise ValueError(f"{option}: {match.address!r} is not a regular file: give files that exist and can be read again")
    if known.get(match.address) == match.version:
        return "shard"
    try:
        head = _head(match, info, packing.HEAD_BYTES)
        if packing.is_tar(head) or packing.is_zip(head):
            return "shard"
        how = packing.compression(head)
        if how and packing.holds_tar(_head(match, info, packing.COMPRESSED_HEAD_BYTES), how):
            plain = f"{match.name.split('.')[0]}-unpacked.tar"
            cure = f"{how.cure} < {match.name} > {plain}"
            raise ValueError(f"{option}: {match.address!r} is a tar compressed with {how.name}, which has no random access: run `{cure}`")
    except OSError:
        return "shard"  # indexing tells what is wrong
    if match.name.lower().endswith((".tar", ".zip")):
        return "shard"
    if match.is_named:
        raise ValueError(f"{option}: {match.address!r} is no tar and no zip: give shards, or a folder of pictures")
    return posixpath.splitext(match.name)[1].lower() or "no ending"


def _head(match: _Match, info: dict[str, Any], size: int) -> bytes:
    return match.filesystem.cat_file(info["name"], start=0, end=min(size, info["size"])) if info["size"] else b""
