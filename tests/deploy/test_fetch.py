"""What pictures cost on an object store: requests and bytes, counted at the client of a real server."""

from __future__ import annotations

import tarfile
from io import BytesIO
from random import Random
from typing import Any

import pytest
from s3fs import S3FileSystem

from archive.images import Member, fetch, members_by_name
from archive.images.image_error import ImageError
from tests.deploy.stores import AmazonStorage


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Each request to the store and its range."""
    requests: list[tuple[str, str]] = []
    call = S3FileSystem._call_s3

    async def counted(self: Any, method: str, *arguments: Any, **options: Any) -> Any:
        requests.append((method, options.get("Range", "")))
        return await call(self, method, *arguments, **options)

    monkeypatch.setattr(S3FileSystem, "_call_s3", counted)
    return requests


def test_pictures_of_a_tar_on_s3(monkeypatch: pytest.MonkeyPatch, asked: list[tuple[str, str]]) -> None:
    files = {f"{i:02d}.jpg": Random(i).randbytes(100_000) for i in range(40)}
    tar = BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, BytesIO(data))
    with AmazonStorage("archive") as store:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
            monkeypatch.setenv(name, store.environment[name])
        S3FileSystem.clear_instance_cache()
        store.filesystem.pipe("archive/a.tar", tar.getvalue())
        members, problems = members_by_name(["s3://archive/a.tar"])
        assert problems == []
        for wanted, requests in (([*files][:8], 1), ([*files][::5], 8), ([*files][3:4], 1)):
            asked.clear()
            found = dict(fetch([members[name] for name in wanted], 10**6))
            assert [found[members[name]] for name in wanted] == [files[name] for name in wanted]
            assert [method for method, _ in asked] == ["get_object"] * requests
            assert sum(length(of) for _, of in asked) <= 1.2 * 100_000 * len(wanted)
        gone = Member("s3://archive/gone.tar", 0, 10)
        behind = Member("s3://archive/a.tar", len(tar.getvalue()) + 10**6, 10)
        assert dict(fetch([gone, behind], 10**6)) == {
            gone: ImageError("missing", "unreadable_shard"),
            behind: ImageError("corrupt", "truncated"),
        }
    S3FileSystem.clear_instance_cache()


def length(asked_range: str) -> int:
    first, last = asked_range.removeprefix("bytes=").split("-")
    return int(last) - int(first) + 1
