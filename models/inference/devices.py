"""Find the devices and cores of this machine."""

from __future__ import annotations

import os
import re

DEVICES = r"auto|cpu|cuda(:\d+)?"
"""Regular expression of the values of `--device`."""


def usable_device(device: str) -> str:
    """Return the torch name of a `--device` value. `auto` is CUDA if available, else the CPU.

    Raises:
        ValueError: the value is not a device name, or this machine has no such device.
    """
    if not re.fullmatch(DEVICES, device):
        raise ValueError(f"--device {device!r} is none of auto, cpu, cuda, cuda:N")
    import torch  # takes seconds, and the options are parsed without it

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto":
        return "cuda" if count else "cpu"
    if device != "cpu" and int(device.partition(":")[2] or 0) >= count:
        raise ValueError(f"--device {device}: torch finds {count} CUDA devices on this machine, use --device cpu")
    return device


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
