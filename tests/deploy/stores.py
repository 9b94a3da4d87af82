"""Servers of the object stores' protocols on this machine, for tests."""

from __future__ import annotations

import os
import urllib.request
from typing import Any, Self

import fsspec
from gcp_storage_emulator.server import create_server
from gcsfs.core import GCSFileSystem
from moto.server import ThreadedMotoServer

from deploy.flink.cluster import free_port


class GoogleStorage:
    """A server of Google Cloud Storage with one bucket.

    Attributes:
        environment: for programs that are to use it.
        filesystem: fsspec's, on it.
    """

    scheme = "gs"

    def __init__(self, bucket: str) -> None:
        port = free_port()
        endpoint = f"http://127.0.0.1:{port}"
        self._server = create_server("127.0.0.1", port, in_memory=True, default_bucket=bucket)
        no_grpc = {"GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false", "NO_GCE_CHECK": "true"}
        self.environment = {**os.environ, **no_grpc, "STORAGE_EMULATOR_HOST": endpoint}
        self.filesystem: Any = GCSFileSystem(endpoint_url=endpoint, token="anon", skip_instance_cache=True)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()


class AmazonStorage:
    """A server of S3 with one bucket; attributes as above."""

    scheme = "s3"

    def __init__(self, bucket: str) -> None:
        port = free_port()
        self._bucket = bucket
        self._server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
        keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
        self.environment = {**os.environ, **keys, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
        self.filesystem: Any = fsspec.filesystem(
            "s3", key="key", secret="secret", endpoint_url=self.environment["AWS_ENDPOINT_URL"], skip_instance_cache=True
        )

    def __enter__(self) -> Self:
        self._server.start()
        reset = urllib.request.Request(
            f"{self.environment['AWS_ENDPOINT_URL']}/moto-api/reset", method="POST"
        )  # servers of a process share buckets
        urllib.request.urlopen(reset, timeout=10).close()
        self.filesystem.mkdir(self._bucket)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
