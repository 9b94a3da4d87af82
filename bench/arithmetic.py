"""Tell how far the models are from the most that a core multiplies: the physical limit of the command on this CPU.

    python -m bench.arithmetic [--archive DIR] [--posts 64]

For each precision it prints the rate of large products of matrices on one core, then for each model its multiplications and
additions, its CPU time, and the share of that rate. The archive has posts-*.jsonl(.gz) and images-*.tar. Pictures are
squares, whose arithmetic is known; the command cuts grey off them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

from archive.command_line import Parser, existing
from bench.sample import DEMO, count, first_posts

if TYPE_CHECKING:
    from models.tagging.annotate import Annotator  # takes seconds: torch

SIDE = 1024
"""Rows and columns of the matrices that are multiplied for the peak."""

PEAK_S = 1.0
"""Seconds for each peak."""


def main(argv: list[str]) -> int:
    """Print the table. Return 2 if the archive has no posts."""
    parser = Parser("bench.arithmetic", __doc__)
    parser.add_argument("--archive", type=existing, default=DEMO, help="folder with posts-*.jsonl or .jsonl.gz, and images-*.tar")
    parser.add_argument("--posts", type=count, default=64, help="how many posts and pictures: the first ones")
    options = parser.parse_args(argv)
    texts = [post["text"] for post in first_posts(options.archive, options.posts)]
    if not texts:
        print(f"bench.arithmetic: no posts in {options.archive}: give a folder with posts-*.jsonl and images-*.tar", file=sys.stderr)
        return 2
    import torch  # takes seconds

    torch.set_num_threads(1)
    peaks = {precision: _peak(product) for precision, product in _products().items()}
    print("products of matrices on one core: " + ", ".join(f"{name} {peak / 1e9:.0f} billion/s" for name, peak in peaks.items()))
    models = [_tagger(texts), *_detector(options.archive, options.posts)]
    for precision in (name for name in ("float32", "int8") if name in peaks):
        for model in models:
            run = model.load(precision)
            run()  # compiles, and fills the caches
            start = process_time()
            run()
            seconds = process_time() - start
            each = f"{model.operations / model.items / 1e9:.2f} billion and {1000 * seconds / model.items:.1f} ms of CPU each"
            print(f"{model.name}, {precision}: {each}, {model.operations / seconds / peaks[precision]:.2f} of the peak", flush=True)
    return 0


@dataclass(frozen=True)
class _Model:
    """A model with its inputs.

    Attributes:
        name: for the table.
        operations: multiplications and additions for all inputs.
        items: how many posts or pictures these are.
        load: returns what runs it on all of them in a precision.
    """

    name: str
    operations: int
    items: int
    load: Callable[[str], Callable[[], Any]]


def _products() -> dict[str, Callable[[], Any]]:
    """Return a product of two matrices for each precision that this CPU has."""
    import torch

    from models.inference.precision import usable_precision

    one, two = torch.rand(SIDE, SIDE), torch.rand(SIDE, SIDE)
    small, bytes_ = (one.bfloat16(), two.bfloat16()), ((100 * one).to(torch.int8), (100 * two).to(torch.int8))
    products = {"float32": lambda: one @ two, "bfloat16": lambda: small[0] @ small[1], "int8": lambda: torch._int_mm(*bytes_)}
    usable = {}
    for precision, product in products.items():
        try:
            usable_precision(precision, "cpu")
        except ValueError as error:
            print(error)
        else:
            usable[precision] = product
    return usable


def _peak(product: Callable[[], Any]) -> float:
    """Return operations a second, of the fastest tenth of a second: others may use the machine."""
    product()
    best = 0.0
    for _ in range(10):
        start, done = process_time(), 0
        while process_time() - start < PEAK_S / 10:
            product()
            done += 1
        best = max(best, done * 2 * SIDE**3 / (process_time() - start))
    return best


def _detector(archive: Path, count: int) -> list[_Model]:
    """Return the detector on the first pictures of an archive; nothing if it has none."""
    import torch

    from archive.images.decode import Limits
    from models.pretrained import PRETRAINED
    from models.vision.detectors.ultralytics_network import find_network
    from models.vision.detectors.yolo import YoloDetector
    from models.vision.detectors.yolo_networks import YoloOnOpenVino
    from models.vision.images.photos import read_photos
    from models.vision.images.preprocess import Preprocess

    photos = read_photos(f"{archive}/images-*.tar", count, Preprocess(Limits(), YoloDetector.side))
    if not photos:
        return []
    source = find_network(str(PRETRAINED / "detector"))
    each = _operations(partial(source.build(), torch.zeros(1, 3, YoloDetector.side, YoloDetector.side)))

    def load(precision: str) -> Callable[[], Any]:
        engine = YoloOnOpenVino(source, 1, precision, YoloDetector.side)
        return lambda: [engine([photo.canvas]) for photo in photos]

    return [_Model("detector, squares", each * len(photos), len(photos), load)]


def _tagger(texts: list[str]) -> _Model:
    """Return the tagger on texts without pictures. Padding counts as work."""
    from models.inference.options import ModelOptions
    from models.loading import load_annotator

    def annotator(precision: str) -> Annotator:
        return load_annotator(ModelOptions(detector=None, threads=1, precision=precision))

    in_float32 = annotator("float32")
    batches = in_float32.batches([(text, {}) for text in texts])
    operations = sum(_operations(partial(in_float32.bundle.tagger, batch)) for batch in batches)
    return _Model("tagger, texts", operations, len(texts), lambda precision: partial(annotator(precision).run, batches))


def _operations(run: Callable[[], Any]) -> int:
    """Return the multiplications and additions of a call."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.inference_mode(), FlopCounterMode(display=False) as counted:
        run()
    return counted.get_total_flops()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
