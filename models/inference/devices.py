"""Devices and cores of this machine."""

from __future__ import annotations

import os
import re

import torch

DEVICES = r"auto|cpu|cuda(:\d+)?"


def usable_device(device: str) -> str:
    """Return torch's name of a device of this machine; `auto` is CUDA where there is one. Raises ValueError for any other name."""
    if not re.fullmatch(DEVICES, device):
        raise ValueError(f"--device {device!r} is none of auto, cpu, cuda, cuda:N")
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto":
        return "cuda" if there else "cpu"
    if device != "cpu" and int(device.partition(":")[2] or 0) >= there:
        raise ValueError(f"--device {device}: torch finds {there} CUDA devices here, use --device cpu")
    return device


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
