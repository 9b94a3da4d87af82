"""Run a network of ultralytics by OpenVINO or by torch: pictures as bytes to raw predictions and features."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from models.inference.engine import Engine
from models.vision.detectors.ultralytics_network import NetworkSource
from models.vision.images.canvas import GREY, Canvas, cropped_sizes

if TYPE_CHECKING:
    import openvino

VERSION = 1
"""Of what is made of a network; compiled networks of another version are not used."""

TRACED_SIDE = 640

RECOMPILE_LIMIT = 16
"""Sizes of batches that torch compiles, at least; by itself it stops at 8."""

LARGE_BYTES = 64 * 2**20
"""A network with more weights is compiled once for all shapes, since each compiled one holds its own."""


class YoloNetwork(nn.Module):
    """A network of ultralytics that also returns the output of the last layer of its backbone.

    Args:
        network: from `NetworkSource.build`.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        self._of_thread = threading.local()  # several threads may detect at once
        network.model[len(network.yaml["backbone"]) - 1].register_forward_hook(self._store_features)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the raw predictions, (B, ...), and the features of the cells, (B, C, H / stride, W / stride).

        Args:
            pixels: (B, H, W, 3) uint8 RGB. Its order of axes makes the input of the network `channels_last`.
        """
        dtype = next(self.network.parameters()).dtype
        output = self.network(pixels.permute(0, 3, 1, 2).to(dtype) / 255)
        return output[0] if isinstance(output, tuple) else output, self._of_thread.features

    def in_bfloat16(self) -> YoloNetwork:
        """Convert the network to bfloat16, but for the decoding of boxes, whose 8 bits would round them to 4 pixels."""
        self.network.to(torch.bfloat16)
        head = self.network.model[-1]
        head.dfl.float()
        decode = head._inference
        head._inference = lambda raw: decode({name: _in_float32(value) for name, value in raw.items()})
        return self

    def fix_size(self) -> None:
        """Keep the anchors of the last pictures, for others of their size: to look for another size would stop `torch.compile`."""
        head = self.network.model[-1]
        anchors, strides = head.anchors.unsqueeze(0), head.strides
        head._get_decode_boxes = lambda raw: head.decode_bboxes(head.dfl(raw["boxes"]), anchors) * strides

    def _store_features(self, _module: Any, _inputs: Any, features: Tensor) -> None:
        self._of_thread.features = features


class YoloOnOpenVino:
    """Runs one picture at a time on the CPU; the network is compiled for each shape of pictures.

    Attributes:
        name: runtime and precision.
        reads_rectangles: pictures may be cropped.
    """

    reads_rectangles = True

    def __init__(self, source: NetworkSource, threads: int, precision: str, side: int) -> None:
        def convert() -> openvino.Model:
            return read_int8(source) if precision == "int8" else converted(source)

        self._is_large = source.weight_bytes > LARGE_BYTES
        self._engine = Engine(f"yolo {VERSION} {source.digest}", convert, precision, threads, any_shape=self._is_large)
        self._engine([np.zeros((1, side, side, 3), np.uint8)])  # what it cannot run fails here
        self._side = side
        self.name = self._engine.name

    def __call__(self, canvases: Sequence[Canvas]) -> tuple[Tensor, Tensor]:
        """Return what `YoloNetwork` returns for one picture."""
        (canvas,) = canvases
        output, features = self._engine([canvas.pixels[None]])
        return torch.from_numpy(output), torch.from_numpy(features)

    def prepare(self) -> None:
        """Compile the network for all shapes of pictures, in another thread."""
        if self._is_large:
            return
        self._engine.prepare_meanwhile([((1, height, width, 3),) for height, width in cropped_sizes(self._side)])


class YoloOnTorch:
    """Runs whole batches, on a GPU in half precision. Pictures reach it as bytes, through pinned memory, and are scaled there.

    Attributes:
        name: runtime and precision.
        reads_rectangles: pictures are squares, so that they make a batch.
    """

    reads_rectangles = False

    def __init__(self, network: YoloNetwork, device: torch.device, precision: str) -> None:
        self._device = device
        is_halved = precision == "bfloat16"
        network = network.in_bfloat16() if is_halved else network
        self.network: Callable[[Tensor], tuple[Tensor, Tensor]] = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._is_compiled = False
        self.name = "torch bfloat16" if is_halved else "torch float32"

    def __call__(self, canvases: Sequence[Canvas]) -> tuple[Tensor, Tensor]:
        """Return what `YoloNetwork` returns for pictures, scaled or not."""
        pixels = self.upload(canvases)
        if not self._is_compiled:
            return self.network(pixels)
        outputs, features = zip(*map(self.network, pixels.split(powers_of_two(len(pixels)))), strict=True)
        return torch.cat(outputs), torch.cat(features)

    def upload(self, canvases: Sequence[Canvas]) -> Tensor:
        """Return pictures as a tensor on the device, (B, S, S, 3) uint8; on a GPU the work may still be under way."""
        sizes = [canvas.pixels.size for canvas in canvases]
        together = torch.empty(sum(sizes), dtype=torch.uint8, pin_memory=self._device.type == "cuda")
        np.concatenate([canvas.pixels.ravel() for canvas in canvases], out=together.numpy())
        parts = together.to(self._device, non_blocking=True).split(sizes)
        return torch.stack([_scaled(part.view(canvas.pixels.shape), canvas) for part, canvas in zip(parts, canvases, strict=True)])

    def compile(self) -> None:
        """Compile the network by `torch.compile`, for batches of 1, 2, 4, 8 ... pictures when they first come.

        Each takes a minute, so other batches are split. The network must have run once.
        """
        torch._dynamo.config.recompile_limit = max(RECOMPILE_LIMIT, torch._dynamo.config.recompile_limit)
        if isinstance(self.network, YoloNetwork):
            self.network.fix_size()
        self.network = torch.compile(self.network, dynamic=False)
        self._is_compiled = True
        self.name = self.name.replace("torch", "torch compiled")

    def prepare(self) -> None:
        """Do nothing: all batches have pictures of one size."""


def powers_of_two(count: int) -> list[int]:
    """Return the powers of two that a number is the sum of, largest first."""
    return [1 << bit for bit in reversed(range(count.bit_length())) if count >> bit & 1]


def _scaled(pixels: Tensor, canvas: Canvas) -> Tensor:
    """Return the square (S, S, 3) of a picture (h, w, 3), both uint8, as `letterbox` makes it; a square as it is.

    OpenCV rounds its weights, so a colour may differ by 1, and by more in a picture of a few rows or columns.
    """
    side = canvas.side
    if pixels.shape[:2] == (side, side):
        return pixels
    size = (canvas.bottom - canvas.top, canvas.right - canvas.left)
    scaled = interpolate(pixels.permute(2, 0, 1)[None].float(), size, mode="bilinear")[0].round().byte()
    square = pixels.new_full((side, side, 3), GREY)
    square[canvas.top : canvas.bottom, canvas.left : canvas.right] = scaled.permute(1, 2, 0)
    return square


def read_int8(source: NetworkSource) -> openvino.Model:
    """Return the quantised network of a folder."""
    import openvino

    return openvino.Core().read_model(source.int8)


def converted(source: NetworkSource) -> openvino.Model:
    """Return a network as OpenVINO's, for any height and width. Raises ValueError if it is right for one shape only."""
    import openvino

    with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of tracing; the comparison below looks for what they warn of
        network = source.build()
        head = network.model[-1]
        head.export, head.dynamic, head.format = True, True, "openvino"  # as ultralytics' own export does
        module = YoloNetwork(network).eval()
        square, other = (torch.randint(256, (1, height, TRACED_SIDE, 3), dtype=torch.uint8) for height in (TRACED_SIDE, 448))
        traced = torch.jit.trace(module, square, check_trace=False)
        if not torch.allclose(traced(other)[0], module(other)[0], atol=0.1):
            raise ValueError("its trace is right for one shape only")
        return openvino.convert_model(traced, example_input=square)


def _in_float32(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) else [one.float() for one in value]
