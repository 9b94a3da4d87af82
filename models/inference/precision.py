"""Decide which number format the networks compute in on this machine."""

from __future__ import annotations

from importlib.util import find_spec

PRECISIONS = "auto|float32|bfloat16|int8"
"""Regular expression of the values of `--precision`."""

RUNTIME = "openvino"
"""The package that runs networks on a CPU; without it torch does, more slowly."""


def usable_precision(precision: str, device: str) -> str:
    """Return the number format that stands for a `--precision` value on a device: `float32`, `bfloat16` or `int8`.

    `auto` is bfloat16 if the device computes in it, else float32.

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
        return "bfloat16" if precision == "auto" else precision
    if precision == "auto":
        return "bfloat16" if _has_bfloat16() else "float32"
    if precision == "bfloat16" and not _has_bfloat16():
        raise ValueError("--precision bfloat16: this CPU does not compute in it (no avx512_bf16, no amx_bf16), use float32 or auto")
    if precision == "int8" and not has_runtime():
        raise ValueError(f"--precision int8 needs the package {RUNTIME}, which is not installed: install it, or use bfloat16 or float32")
    return precision


def usable_text_precision(precision: str, device: str) -> str:
    """Return the number format of the text encoder, where `auto` is int8 on a CPU that multiplies int8 fast.

    There the activations get their scales when they are computed, so int8 costs no calibration and hardly any quality.

    Args:
        precision, device: as for `usable_precision`.

    Raises:
        ValueError: as `usable_precision`.
    """
    if precision == "auto" and device == "cpu":
        return "int8" if _has_int8() and has_runtime() else "float32"
    return usable_precision(precision, device)


def has_runtime() -> bool:
    """Return whether the package that runs networks on a CPU is installed."""
    return find_spec(RUNTIME) is not None


def _has_bfloat16() -> bool:
    import torch  # takes seconds, and the options are parsed without it

    flags = torch.cpu.get_capabilities()
    return bool(flags.get("avx512_bf16") or flags.get("amx_bf16"))


def _has_int8() -> bool:
    import torch

    flags = torch.cpu.get_capabilities()
    return bool(flags.get("avx512_vnni") or flags.get("avx_vnni"))
