"""Decide which number format the networks compute in on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

PRECISIONS = "auto|float32|bfloat16|int8"
"""Regular expression of the values of `--precision`."""

AMPERE = (8, 0)
"""Compute capability from which a GPU has bfloat16."""

RUNTIME = "openvino"
"""The package that runs networks on a CPU; without it torch does, more slowly."""


def usable_precision(precision: str, device: str) -> str:
    """Return the number format that stands for a `--precision` value on a device: `float32`, `bfloat16` or `int8`.

    `auto` is the fastest one: on a CPU int8 if it multiplies int8 fast, else what `float_precision` returns.

    Args:
        precision: value of the option.
        device: torch name of the device.

    Raises:
        ValueError: this machine cannot compute in that precision. The message is one sentence that says what to do.
    """
    if precision not in PRECISIONS.split("|"):
        raise ValueError(f"--precision {precision!r} is none of {', '.join(PRECISIONS.split('|'))}")
    if device != "cpu":
        if precision == "int8":
            raise ValueError("--precision int8 is for CPUs only: use bfloat16 or float32 on a GPU")
        return float_precision(device) if precision == "auto" else precision
    if precision == "auto":
        return "int8" if _has_int8() and has_runtime() else float_precision()
    if precision == "bfloat16" and not _has_bfloat16():
        raise ValueError("--precision bfloat16: this CPU does not compute in it (no avx512_bf16, no amx_bf16), use float32 or auto")
    if precision == "int8" and not has_runtime():
        raise ValueError(f"--precision int8 needs the package {RUNTIME}, which is not installed: install it, or use bfloat16 or float32")
    if precision == "int8" and not _has_int8():
        raise ValueError("--precision int8: this CPU has no fast products of int8 (no avx512_vnni, no avx_vnni), use float32 or auto")
    return precision


def float_precision(device: str = "cpu") -> str:
    """Return the fastest number format of a device for a network that is not quantised: `bfloat16` or `float32`.

    GPUs before Ampere have no instructions for bfloat16. Intel's CPUs without AMX have some, at half the speed of float32
    (docs/performance.md).
    """
    if device != "cpu":
        import torch

        return "bfloat16" if torch.cuda.get_device_capability(device) >= AMPERE else "float32"
    flags = _flags()
    is_fast = flags.get("amx_bf16") or (flags.get("avx512_bf16") and not str(flags.get("cpu_name")).startswith("Intel"))
    return "bfloat16" if is_fast else "float32"


def has_runtime() -> bool:
    """Return whether the package that runs networks on a CPU is installed."""
    return find_spec(RUNTIME) is not None


def _has_bfloat16() -> bool:
    flags = _flags()
    return bool(flags.get("avx512_bf16") or flags.get("amx_bf16"))


def _has_int8() -> bool:
    flags = _flags()
    return bool(flags.get("avx512_vnni") or flags.get("avx_vnni"))


def _flags() -> Mapping[str, Any]:
    import torch  # takes seconds, and the options are parsed without it

    return torch.cpu.get_capabilities()
