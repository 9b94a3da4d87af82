"""Rebuild a detector from an int8 ONNX file of it: the shipped one, from public quantised weights of YOLOv8n.

    python -m models.vision.rebuild --onnx yolov8n_int8.onnx --output models/pretrained/detector

The weights are dequantised (scale * (q - zero point)) and stored as float16 with a `config.json`. They are the work of
ultralytics, so the result is under AGPL-3.0. It needs the `onnx` package, a development dependency.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

from archive.command_line import Parser
from archive.digest import file_sha256

CONSTANT = "dfl.conv.weight"
"""Not trained: the bins 0 to 15 of the box distribution."""


def rebuild(source: Path, output: Path, architecture: str) -> None:
    """Write `config.json` and `model.safetensors`. Raises KeyError if the ONNX file lacks a weight of the architecture."""
    import onnx  # takes seconds, as torch does
    import torch
    from onnx import numpy_helper
    from safetensors.torch import save_file

    from models.vision.detectors.ultralytics_network import empty_network

    model = onnx.load(str(source))
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    weights = {}
    for name, tensor in empty_network(architecture).state_dict().items():
        if name.endswith(CONSTANT):
            restored = tensor
        elif name in arrays:
            restored = torch.from_numpy(arrays[name].copy())
        else:
            quantised = arrays[f"{name}_quantized"].astype("float32") - arrays[f"{name}_zero_point"].astype("float32")
            restored = torch.from_numpy(quantised * arrays[f"{name}_scale"])
        weights[name] = restored.reshape(tensor.shape).half().contiguous()
    output.mkdir(parents=True, exist_ok=True)
    save_file(weights, output / "model.safetensors")
    names = ast.literal_eval(next(entry.value for entry in model.metadata_props if entry.key == "names"))
    config = {
        "name": Path(architecture).stem,
        "architecture": architecture,
        "names": [names[i] for i in range(len(names))],
        "sha256": file_sha256(output / "model.safetensors"),
        "licence": "AGPL-3.0",
    }
    (output / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def main(argv: list[str]) -> int:
    """Run the command and return its exit status."""
    parser = Parser("models.vision.rebuild", __doc__)
    parser.add_argument("--onnx", type=Path, required=True, help="int8 ONNX file, quantised by onnxruntime")
    parser.add_argument("--architecture", default="yolov8n.yaml", help="ultralytics name of the network")
    parser.add_argument("--output", type=Path, required=True, help="folder of the detector")
    options = parser.parse_args(argv)
    rebuild(options.onnx, options.output, options.architecture)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
