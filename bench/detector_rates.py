"""How fast the shipped detector is by engine, precision and shape of the picture: what `bench.detectors` measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from statistics import median
from time import process_time

import numpy as np
import torch

from archive.images.decode import Limits
from models.inference.precision import usable_precision
from models.pretrained import PRETRAINED
from models.vision.detectors.ultralytics_network import find_network
from models.vision.detectors.yolo import YoloDetector
from models.vision.detectors.yolo_networks import YoloNetwork, YoloOnOpenVino, YoloOnTorch
from models.vision.images.canvas import Canvas, crop
from models.vision.images.photos import read_photos
from models.vision.images.preprocess import Preprocess


def measure(images: str, photos: int) -> None:
    """Print one line for each way to run the detector."""
    torch.set_num_threads(1)
    canvases = [photo.canvas for photo in read_photos(images, photos, Preprocess(Limits(), YoloDetector.side))]
    ways = _ways()
    spent: dict[str, list[float]] = {f"{name:<28} {shape}": [] for name in ways for shape in ("square", "rectangle")}
    for canvas in canvases:
        for name, run in ways.items():
            for shape, picture in (("square", canvas), ("rectangle", crop(canvas))):
                contiguous = replace(picture, pixels=np.ascontiguousarray(picture.pixels))
                run(contiguous)  # compiles the shape, fills the caches
                started = process_time()
                run(contiguous)
                spent[f"{name:<28} {shape}"].append(process_time() - started)
    share = np.mean([crop(canvas).pixels.size / canvas.pixels.size for canvas in canvases])
    print(f"{len(canvases)} photos; rectangles have {share:.2f} of the pixels of squares")
    for name, seconds in spent.items():
        print(f"{name:<40} {1 / np.mean(seconds):6.1f} pictures/s of a core; median {1000 * median(seconds):.1f} ms")


def _ways() -> dict[str, Callable[[Canvas], object]]:
    source = find_network(str(PRETRAINED / "detector"))
    ways: dict[str, Callable[[Canvas], object]] = {}
    for precision in ("float32", "bfloat16", "int8"):
        try:
            usable_precision(precision, "cpu")
        except ValueError as error:
            print(error)
            continue
        if precision != "int8":
            on_torch = YoloOnTorch(YoloNetwork(source.build()), torch.device("cpu"), precision)
            ways[on_torch.name] = partial(_run, on_torch.network)
        if precision != "int8" or source.int8:
            on_openvino = YoloOnOpenVino(source, 1, precision, YoloDetector.side)
            ways[on_openvino.name] = lambda canvas, network=on_openvino: network([canvas])  # type: ignore[misc]
    return ways


@torch.inference_mode()
def _run(network: Callable[[torch.Tensor], object], canvas: Canvas) -> None:
    network(torch.from_numpy(canvas.pixels[None]))  # `YoloOnTorch` reads squares only
