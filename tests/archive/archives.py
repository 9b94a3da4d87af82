"""Make small archives as their sources give them, each under the name that docs/archives.md types."""

from __future__ import annotations

import bz2
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

SOURCES = Path(__file__).parent / "sources"


def make_all(folder: Path, picture: bytes) -> None:
    """Write all archives into a folder, with one picture under every name."""

    def source(name: str) -> bytes:
        return (SOURCES / name).read_bytes()

    def write(name: str, data: bytes) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def tar(name: str, members: dict[str, bytes], mode: str) -> None:
        with tarfile.open(folder / name, mode) as archive:  # type: ignore[call-overload]
            for member, data in members.items():
                info = tarfile.TarInfo(member)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))

    minutes = {f"2021/01/30/17/0{minute}.json.bz2": bz2.compress(source("x-stream.jsonl")) for minute in (1, 2)}
    tar("twitter-stream-2021-01-30.tar", minutes, "w")
    export = {
        "Your archive.html": b"<!doctype html><html></html>",
        "data/account.js": b'window.YTD.account.part0 = [ {"account": {"username": "ana"}} ]',
        "data/deleted-tweets.js": b"window.YTD.deleted_tweets.part0 = [ ]",
        "data/like.js": b'window.YTD.like.part0 = [ {"like": {"tweetId": "9", "fullText": "Rome"}} ]',
        "data/tweets.js": source("x-export-tweets.js"),
        "data/tweets_media/1593387213315784000-FhxAAAAXEAA1.jpg": picture,
        "data/tweets_media/1593387213315784000-FhxBBBBXEAA2.png": picture,
    }
    with zipfile.ZipFile(folder / "twitter-2022-11-18.zip", "w") as archive:
        for name, data in export.items():
            archive.writestr(name, data)
            write(f"twitter-2022-11-18/{name}", data)
    write("results.jsonl", json.dumps(json.loads(source("x-v2-page.json"))).encode() + b'\n{"meta": {"result_count": 0}}\n')
    write("media/FkAAAAXEAA1.jpg", picture)
    for name, kind in (("RS", "submissions"), ("RC", "comments")):
        write(f"reddit/{name}_2021-01.zst", zstandard.compress(source(f"reddit-{kind}.jsonl")))
    for line in source("reddit-submissions.jsonl").splitlines():
        post = json.loads(line)
        for item in post.get("gallery_data", {}).get("items", []):
            write(f"reddit/pictures/{item['media_id']}.jpg", picture)
        if "//i." in post["url"]:
            write(f"reddit/pictures/{post['url'].rsplit('/', 1)[-1]}", picture)
    account = {
        "actor.json": b'{"id": "https://social.example/users/ida", "type": "Person", "summary": "<p>Aarhus</p>"}',
        "likes.json": b'{"id": "likes.json", "type": "OrderedCollection", "orderedItems": ["https://social.example/1"]}',
        "outbox.json": source("mastodon-outbox.json"),
        "media_attachments/files/109/300/000/original/aa11.jpg": picture,
    }
    tar("archive-2022.tar.gz", account, "w:gz")
    for name, data in account.items():
        write(f"archive-2022/{name}", data)
    write("jetstream.jsonl.zst", zstandard.compress(source("bluesky-jetstream.jsonl")))
    write("ChatExport_2024-01-01/result.json", source("telegram-result.json"))
    write("ChatExport_2024-01-01/messages.html", b"<!DOCTYPE html>\n<html></html>")
    write("ChatExport_2024-01-01/photos/photo_1@01-01-2024_10-05-00.jpg", picture)
    write("weibo.csv", source("weibo-crawler.csv"))
    write("tweets-dataset/README.md", b"---\nlicense: mit\n---\n# A data set\n")
    write("tweets-dataset/dataset_infos.json", b'{"default": {"description": "Tweets", "features": {"text": {"dtype": "string"}}}}')
    write("tweets-dataset/data/train-00000-of-00001.parquet", _parquet({"text": ["Ana in Faro"], "label": [1]}))
    write("spark/part-00000-c000.snappy.parquet", _parquet({"id": [1, 2], "text": ["Ana in Faro", "Ole in Rome"]}))
    write("spark/.part-00000-c000.snappy.parquet.crc", b"crc\0")
    write("spark/_SUCCESS", b"")
    write("gallery-dl/twitter/nils/1355560000083886082_2.jpg.json", source("gallery-dl.json"))
    write("gallery-dl/twitter/nils/1355560000083886082_2.jpg", picture)
    shard = {"000000001.jpg": picture, "000000001.json": source("img2dataset.json"), "000000001.txt": b"Rosa Blum in Kiel"}
    (folder / "laion").mkdir()
    tar("laion/00000.tar", shard, "w")
    write("laion/00000_stats.json", b'{"count": 1, "successes": 1}')
    write(
        "laion/00000.parquet", _parquet({"url": ["https://img.example/kiel.png"], "caption": ["Rosa Blum in Kiel"], "key": ["000000001"]})
    )
    row = b'"0","14678%d","Mon Apr 06","NO_QUERY","ana","@ole - the train to Rome is late, again"\n'
    write("sentiment140.csv", b"".join(row % number for number in range(3)))
    write("other.jsonl", source("any-fields.jsonl"))


def _parquet(columns: dict[str, list[object]]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()
