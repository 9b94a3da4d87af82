"""Text reader by rapidocr: PP-OCRv6 on onnxruntime, with the models of its wheel. The one module that imports rapidocr."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from archive.digest import file_sha256
from archive.images.decode import Picture
from models.inference.pool import InferencePool
from models.vision.images.canvas import fit_area
from models.vision.images.features import TextLine
from models.vision.images.preprocess import PAGE_PIXELS, PAGE_SIDE
from models.vision.text_readers.text_reader import MAX_LINES, TextReaderError

MODELS = {
    "Det": "PP-OCRv6_det_small.onnx",
    "Cls": "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "Rec": "PP-OCRv6_rec_small.onnx",
}
"""Where lines are, which of them stand upside down, and what they say."""

MIN_SCORE = 0.7
"""Lines of a lower score are dropped: they are patterns that are no text, and scripts that the models do not read."""

SMALL_PRINT, ENLARGED = 16, 1.5
"""A picture with a line of fewer pixels in height is read again, enlarged by this factor, and the second result is used."""


class RapidReader:
    """See `TextReader`. Reads Latin, Chinese and Japanese script; other scripts give wrong characters at a low score."""

    def __init__(self, device: str, threads: int) -> None:
        try:
            import rapidocr  # here: only a run with this reader needs it
            from onnxruntime import get_available_providers
        except ImportError as error:
            raise TextReaderError(f"--ocr rapidocr needs a package that is not here ({error}): pip install -r requirements.txt") from error
        models = Path(rapidocr.__file__).parent / "models"
        paths = {stage: models / name for stage, name in MODELS.items()}
        if missing := [path.name for path in paths.values() if not path.is_file()]:
            raise TextReaderError(f"--ocr rapidocr: {', '.join(missing)} is not in the package: pip install -r requirements.txt")
        on_gpu = device.startswith("cuda") and "CUDAExecutionProvider" in get_available_providers()
        runtime = "EngineConfig.onnxruntime"
        self._engine = rapidocr.RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.text_score": MIN_SCORE,
                "Global.use_vertical_padding": False,  # it makes a square of a banner
                "Global.min_side_len": 1,
                "Global.max_side_len": round(ENLARGED * PAGE_SIDE),
                "Det.limit_type": "max",
                "Det.limit_side_len": round(ENLARGED * PAGE_SIDE),
                "Det.max_candidates": MAX_LINES,
                **{f"{stage}.model_path": str(path) for stage, path in paths.items()},  # what has a path is never downloaded
                "Rec.rec_batch_num": 1,  # a batch is as wide as its longest line
                f"{runtime}.intra_op_num_threads": 1,  # `InferencePool` reads several pictures at a time instead
                f"{runtime}.inter_op_num_threads": 1,
                f"{runtime}.use_cuda": on_gpu,
                f"{runtime}.cuda_ep_cfg.device_id": int(device.partition(":")[2] or 0),
                f"{runtime}.cuda_ep_cfg.cudnn_conv_algo_search": "DEFAULT",  # any other search runs anew for each size
            }
        )
        self._pool = InferencePool(torch.device("cpu"), threads)
        digest = file_sha256(paths["Rec"])[:12]
        self.name = f"rapidocr-{version('rapidocr')}@{digest}"
        blank = np.full((32, 32, 3), 255, np.uint8)
        try:
            for find_lines in (False, True):  # the models are loaded at their first use: each of them here
                self._engine(blank, use_det=find_lines)
        except Exception as error:  # onnxruntime raises a dozen kinds of its own
            raise TextReaderError(f"--ocr rapidocr cannot load its models ({str(error)[-200:]}): install the package again") from error

    def read(self, pictures: Sequence[Picture]) -> list[list[TextLine]]:
        """Lines of each picture."""
        return self._pool.run(lambda some: [self._lines(picture) for picture in some], pictures)

    def _lines(self, picture: Picture) -> list[TextLine]:
        page = fit_area(picture, PAGE_PIXELS, PAGE_SIDE).pixels
        lines = self._lines_of(page, picture.width, picture.height)
        to_page = np.array([page.shape[1] / picture.width, page.shape[0] / picture.height])
        if any(((line.box[2:] - line.box[:2]) * to_page).min() < SMALL_PRINT for line in lines):
            enlarged = cv2.resize(page, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
            lines = self._lines_of(enlarged, picture.width, picture.height)
        return lines

    def _lines_of(self, pixels: np.ndarray, width: int, height: int) -> list[TextLine]:
        """Return the lines in pixels (h, w, 3), their boxes in pixels of the original, which has this width and height."""
        found: Any = self._engine(np.ascontiguousarray(pixels[:, :, ::-1]))  # it takes BGR
        if not found.txts:
            return []
        scale = np.array([width / pixels.shape[1], height / pixels.shape[0]], np.float32)
        corners = np.asarray(found.boxes, np.float32) * scale  # shape: (K, 4, 2)
        boxes = np.concatenate([corners.min(1), corners.max(1)], axis=1)
        lines = zip(found.txts, boxes, found.scores, strict=True)
        return [TextLine(text.strip(), box, float(score)) for text, box, score in lines if text.strip()][:MAX_LINES]
