"""The program of a decoding process: preprocess one picture after the other, and die alone of a bad one.

`DecodeProcess` starts it and tells the protocol.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import resource
import signal
import struct
import sys
from collections.abc import Callable
from dataclasses import fields
from typing import Any, BinaryIO

import cv2
import msgspec
import numpy as np

from archive.images.decode import Limits
from archive.images.image_error import ImageError
from models.vision.images.preprocess import PreprocessedImage

SIZE = struct.Struct("<Q")
"""A message is its size and its bytes."""

MEMORY_BYTES, BYTES_PER_PIXEL = 2**30, 32
"""Address space of a process, and per pixel that a picture may have: decoding holds several copies of a picture."""

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve the process that started this one until it closes the pipe."""
    shared, parent = int(sys.argv[1]), int(sys.argv[2])
    requests, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints is no reply
    _die_with(parent)
    cv2.setNumThreads(1)  # several of these processes resize at a time
    try:
        preprocess = pickle.loads(receive(requests))  # from the parent process alone
        _limit_memory(preprocess.limits)
    except Exception as error:
        send(replies, f"{type(error).__name__}: {error}".encode())
        return
    send(replies, b"")
    while len(size := requests.read(SIZE.size)) == SIZE.size:
        data = os.pread(shared, SIZE.unpack(size)[0], 0)
        signal.setitimer(signal.ITIMER_REAL, preprocess.limits.decode_timeout_s)  # SIGALRM ends even a loop in native code
        reply = _preprocessed(preprocess, data, shared)
        signal.setitimer(signal.ITIMER_REAL, 0)
        send(replies, msgspec.msgpack.encode(reply))


def receive(pipe: BinaryIO) -> bytes:
    """Return one message. Raises EOFError where the other side is gone."""
    size = pipe.read(SIZE.size)
    if len(size) == SIZE.size:
        wanted = SIZE.unpack(size)[0]
        data = pipe.read(wanted)
        if len(data) == wanted:
            return data
    raise EOFError


def send(pipe: BinaryIO, message: bytes) -> None:
    """Send one message."""
    pipe.write(SIZE.pack(len(message)) + message)
    pipe.flush()


def _preprocessed(preprocess: Callable[[bytes], PreprocessedImage], data: bytes, shared: int) -> dict[str, Any]:
    """Put the pixels into the shared memory, and return the rest or the reason of the failure."""
    try:
        image = preprocess(data)
    except ImageError as error:
        return {"status": error.status, "reason": error.reason}
    except Exception:  # whatever hostile bytes bring a decoder to must cost one picture only
        return {"status": "corrupt", "reason": "decoder_failed"}
    canvas = {field.name: getattr(image.canvas, field.name) for field in fields(image.canvas)}
    arrays = {"pixels": canvas.pop("pixels"), "crop": image.crop, "page": image.page}
    shapes = {}
    position = 0
    for name, pixels in arrays.items():
        if pixels is None:
            continue
        array = np.ascontiguousarray(pixels)
        shapes[name] = array.shape
        view = array.data.cast("B")
        written = 0
        while written < array.nbytes:
            written += os.pwrite(shared, view[written:], position + written)
        position += array.nbytes
    return {"canvas": canvas, "is_partial": image.is_partial, "shapes": shapes}


def _die_with(parent: int) -> None:
    """End when the parent process does, and of a hung decoder; leave Ctrl-C to the parent process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the line above
            os._exit(1)


def _limit_memory(limits: Limits) -> None:
    wanted = MEMORY_BYTES + limits.max_image_bytes + BYTES_PER_PIXEL * limits.max_image_pixels
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    if sys.platform == "linux" and wanted < 2**62 and (most == resource.RLIM_INFINITY or wanted < most):
        resource.setrlimit(resource.RLIMIT_AS, (wanted, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
