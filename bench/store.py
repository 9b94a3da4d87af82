"""Measure what the nights of an archive on an S3 store ask for: requests, and bytes that the server sends, by kind of object.

    python -m bench.store [--shards 40] [--members 1000] [--latency_ms 30] [--detector none]

The server is moto's, in this process. It counts its answers and delays each. The archive is made of small pictures. The third
night runs on another machine: it has no local copy of the index. Seconds are those in which the server was asked something, first
until the run holds its lease, when all files are found, then in all.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

import fsspec
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from bench.night import ROOT, name_of, write_post, write_shard
from pipeline.lease import LOCK

KINDS = {"posts": r"/in/posts", "shards": r"/in/images", "index": r"/index/|\.index$", "output": r"/out/", "lists": r"list-type="}
"""Kinds of objects by what their addresses hold; the last one that fits counts."""


class CountingServer:
    """A server of S3 that delays and counts its answers.

    Args:
        latency_s: delay of each answer.

    Attributes:
        environment: variables that lead a program to it.
        requests: how many there were, by kind of object and method.
        sent: bytes of the bodies of answers, the same way.
        busy_s: seconds in which at least one answer was being made.
        start_s: the same until the run asked for its lease; None before that.
    """

    def __init__(self, latency_s: float) -> None:
        self._latency_s = latency_s
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self._lock = threading.Lock()
        self._in_flight = 0
        keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
        self.environment = keys | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.server_port}"}
        self.begin()

    def begin(self) -> None:
        """Count anew."""
        self.requests: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.busy_s = 0.0
        self.start_s: float | None = None

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        address = f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}"
        kind = [kind for kind, pattern in KINDS.items() if re.search(pattern, address)] or ["other"]
        name = f"{environ['REQUEST_METHOD']} {kind[-1]}"
        with self._lock:
            if self.start_s is None and environ["PATH_INFO"].endswith(LOCK):
                self.start_s = self.busy_s
            self._in_flight += 1
            if self._in_flight == 1:
                self._since = time.monotonic()
        time.sleep(self._latency_s)
        body = b"".join(self._app(environ, start_response))
        with self._lock:
            self.requests[name] += 1
            self.sent[name] += len(body)
            self._in_flight -= 1
            if not self._in_flight:
                self.busy_s += time.monotonic() - self._since
        return [body]

    def tell(self, what: str) -> None:
        """Print the counts."""
        print(f"{what}: {sum(self.requests.values()):,} requests, {sum(self.sent.values()):,} bytes", end=", ")
        print(f"{self.start_s:.1f} and {self.busy_s:.1f} s")
        for name, count in sorted(self.requests.items()):
            print(f"  {name}: {count:,} requests, {self.sent[name]:,} bytes", flush=True)


def main(argv: list[str]) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="bench.store", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, default=40)
    parser.add_argument("--members", type=int, default=1000, help="of each shard")
    parser.add_argument("--latency_ms", type=float, default=0)
    options, more = parser.parse_known_args(argv)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as name, CountingServer(options.latency_ms / 1000) as server:
        folder = Path(name)
        (folder / "copies").mkdir()
        os.environ.update(server.environment)
        environment = os.environ | {"TMPDIR": f"{folder}/copies"}
        store = fsspec.filesystem("s3")
        store.mkdir("archive")
        for shard in range(options.shards):
            write_shard(folder / "shard.tar", shard, options.members)
            store.put_file(f"{folder}/shard.tar", f"archive/in/images-{shard:05d}.tar")
        print(f"{options.shards:,} shards of {(folder / 'shard.tar').stat().st_size:,} bytes with {options.members:,} members each")
        at = "s3://archive"
        night = [f"--posts={at}/in/posts-*.jsonl", f"--images={at}/in/images-*.tar", f"--output={at}/out", "--resume", *more]
        for number, what in enumerate(["first night", "a night with one new post", "the same on another machine"]):
            write_post(folder / "posts.jsonl", name_of(number, 0))
            store.put_file(f"{folder}/posts.jsonl", f"archive/in/posts-{number}.jsonl")
            if number == 2:
                shutil.rmtree(folder / "copies")
                (folder / "copies").mkdir()
            server.begin()
            done = subprocess.run([sys.executable, "run_pipeline.py", *night], cwd=ROOT, env=environment, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(done.stderr)
            server.tell(what)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
