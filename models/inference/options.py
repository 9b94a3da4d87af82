"""The options of the models, without torch, which takes seconds to import."""

from __future__ import annotations

from dataclasses import dataclass, replace

from models.inference.devices import usable_cores, usable_device
from models.inference.precision import usable_precision
from models.pretrained import PRETRAINED, SHIPPED


@dataclass(frozen=True)
class ModelOptions:
    """Which models to load, on which device.

    Attributes:
        model: folder, address or Hugging Face hub id of a model bundle, or `shipped`.
        detector: ultralytics `.pt` or `.yaml` name, `.onnx` file, folder of a detector, or `shipped`; None for no detector.
        ocr: name of the text reader; None for no text reader.
        device: `cpu`, `cuda`, `cuda:1`, or `auto`.
        batch_size: on a GPU, texts of full length per call of the tagger, and pictures per call of the detector.
        threads: of both models on a CPU; 0 for one per core.
        precision: number format of the networks: `float32`, `bfloat16`, `int8`, or `auto`.
        compile: whether `torch.compile` makes the detector faster, on a GPU.
    """

    model: str = SHIPPED
    detector: str | None = SHIPPED
    device: str = "auto"
    batch_size: int = 32
    threads: int = 0
    ocr: str | None = None
    precision: str = "auto"
    compile: bool = False

    def here(self) -> ModelOptions:
        """Return the options with the defaults of this machine filled in. Raises ValueError if it cannot do what they ask for."""
        device = usable_device(self.device)
        if self.compile and device == "cpu":
            raise ValueError("--compile needs a GPU, and the device is the CPU: leave it out")
        return replace(
            self,
            model=str(PRETRAINED / "default") if self.model == SHIPPED else self.model,
            detector=str(PRETRAINED / "detector") if self.detector == SHIPPED else self.detector,
            device=device,
            threads=self.threads or usable_cores(),
            precision=usable_precision(self.precision, device),
        )


def detector_or_none(value: str) -> str | None:
    """Parse the value of a `--detector` option: return None for `none`, which runs without a detector, else the name."""
    return None if value.lower() == "none" else value
