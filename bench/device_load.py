"""How busy a GPU is kept, by the size of batches: what `bench.gpu` measures."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from archive.images import find_shards
from archive.images.decode import Limits, Picture
from archive.images.index import update_index
from archive.posts.fields.choose import FieldOptions
from archive.posts.find import find_posts
from archive.posts.first_records import first_records
from archive.posts.slices import read_slices
from archive.scratch import scratch_folder
from models.inference.devices import usable_device
from models.inference.precision import usable_precision
from models.pretrained import PRETRAINED
from models.tagging.annotate import Annotator
from models.tagging.bundle import load_bundle
from models.vision.detectors.yolo import YoloDetector
from models.vision.detectors.yolo_networks import YoloOnTorch
from models.vision.images.canvas import letterbox, place
from models.vision.vision_model import VisionModel
from transforms.detect import SliceDetector
from transforms.locate_images import LocatedSlice, locate_slice
from transforms.prefetch import Decoder, thread_count
from transforms.prefetch_slices import HeldSlices
from transforms.tag import SliceTagger

ROUNDS = 3
WIDTH, HEIGHT = 600, 450
"""Of a picture that the device scales, as of many photos of tweets."""

MAX_LINE_BYTES, MAX_IMAGE_BYTES = 2**20, 2**25


def measure(options: argparse.Namespace) -> None:
    """Print a line for each size of batches; the options are those of the command."""
    device = usable_device(options.device)
    precision = usable_precision(options.precision, device)
    detector = YoloDetector(str(PRETRAINED / "detector"), device, 1, precision, as_on_gpu=True)
    if options.compile:
        detector.compile()
    vision_model = VisionModel(detector, None)
    bundle = load_bundle(PRETRAINED / "default")
    slices = _located(options.posts, options.images)
    posts = sum(len(one.slice.posts) for one in slices)
    print(f"{_name(device)}, {detector.engine}, {posts:,} posts, median of {ROUNDS} rounds of {options.seconds:g} s")
    print(f"{'batch':>6} {'prepared/s':>11} {'detect/s':>9} {'busy':>5} {'posts/s':>8} {'pictures':>9} {'memory':>8}")
    for batch in options.batch_sizes:
        if device != "cpu":
            torch.cuda.reset_peak_memory_stats(device)
        prepared, detected = _pictures_a_second(detector, batch, device, options.seconds)
        annotator = Annotator(
            bundle, vision_model.names, vision_model.grid_id, device, batch, 1, precision if device != "cpu" else "float32"
        )
        posts_a_second, pictures_a_second = _posts_a_second(slices, vision_model, annotator, batch, device)
        memory = "-" if device == "cpu" else f"{torch.cuda.max_memory_allocated(device) / 2**30:.2f} GB"
        shares = f"{detected / prepared:>5.0%} {posts_a_second:>8.1f} {pictures_a_second / prepared:>9.0%}"
        print(f"{batch:>6} {prepared:>11.1f} {detected:>9.1f} {shares} {memory:>8}", flush=True)


def _pictures_a_second(detector: YoloDetector, batch: int, device: str, seconds: float) -> tuple[float, float]:
    """Return pictures a second of the network on what lies on the device, and of the detector on what lies in the host's memory."""
    network = detector.network
    assert isinstance(network, YoloOnTorch)
    pixels = np.random.default_rng(0).integers(0, 256, (batch, detector.side, detector.side, 3), np.uint8)
    squares = [letterbox(Picture(one, detector.side, detector.side), detector.side) for one in pixels]
    with torch.inference_mode():
        on_device = network.upload(squares)
    canvases = [place(Picture(np.ascontiguousarray(one[:HEIGHT, :WIDTH]), WIDTH, HEIGHT), detector.side) for one in pixels]

    def alone() -> None:
        with torch.inference_mode():
            network.network(on_device)
        if device != "cpu":
            torch.cuda.synchronize(device)

    rounds = [(_rate(alone, seconds), _rate(lambda: detector.detect(canvases), seconds)) for _ in range(ROUNDS)]
    return tuple(batch * statistics.median(rates) for rates in zip(*rounds, strict=True))  # type: ignore[return-value]


def _rate(call: Callable[[], object], seconds: float) -> float:
    """Return calls a second, after one that is not counted."""
    call()
    calls, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        call()
        calls += 1
    return calls / (time.perf_counter() - started)


def _posts_a_second(
    slices: list[LocatedSlice], vision_model: VisionModel, annotator: Annotator, batch: int, device: str
) -> tuple[float, float]:
    """Return posts and pictures a second from files to rows, decoding in processes ahead, as a worker does it."""
    decoder = Decoder(vision_model.preprocessing(Limits()), thread_count(0, 1, device))
    detector = SliceDetector(vision_model, decoder, batch, annotator.max_pictures, overlaps=True)
    tagger = SliceTagger(annotator, vision_model.names)
    held = HeldSlices(detector)
    pictures, started = 0, time.perf_counter()
    for due in (*(held.add(one) for one in slices), held.rest()):
        for located, _ in due:
            pictures += sum(image["status"] == "ok" for row in tagger.tag([detector.detect(located)])[0].rows for image in row["images"])
    elapsed = time.perf_counter() - started
    decoder.close()
    return sum(len(one.slice.posts) for one in slices) / elapsed, pictures / elapsed


def _located(posts: list[str], images: list[str]) -> list[LocatedSlice]:
    """Return the slices of posts files with the places of their pictures."""
    shards = find_shards(images, "--images").shards
    index = update_index(shards, str(scratch_folder() / "index"), "bench").file
    located = []
    for file in find_posts(posts, "--posts").files:
        fields = first_records(file, MAX_LINE_BYTES, FieldOptions()).fields
        located += [locate_slice(one, index, MAX_IMAGE_BYTES) for one in read_slices(file, MAX_LINE_BYTES, fields)]
    return located


def _name(device: str) -> str:
    return "CPU, one thread (no figure for a GPU)" if device == "cpu" else torch.cuda.get_device_name(device)
