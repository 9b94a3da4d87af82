"""Which number format a machine gets, by the flags of its CPU."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from models.inference import precision
from models.inference.precision import float_precision, usable_precision

ZEN4 = {"avx512_bf16": True, "avx512_vnni": True, "cpu_name": "AMD EPYC"}
SAPPHIRE_RAPIDS = {"avx512_bf16": True, "amx_bf16": True, "avx512_vnni": True, "cpu_name": "Intel Xeon"}
INTEL_WITHOUT_AMX = {"avx512_bf16": True, "avx512_vnni": True, "cpu_name": "Intel Xeon"}
HASWELL = {"avx2": True, "cpu_name": "Intel Xeon"}


@pytest.fixture
def cpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda flags: monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags)


@pytest.mark.parametrize(
    ("flags", "auto", "not_quantised"),
    [
        (ZEN4, "int8", "bfloat16"),
        (SAPPHIRE_RAPIDS, "int8", "bfloat16"),
        (INTEL_WITHOUT_AMX, "int8", "float32"),
        (HASWELL, "float32", "float32"),
        ({}, "float32", "float32"),
    ],
)
def test_auto_is_the_fastest_that_the_cpu_has(cpu: Any, flags: dict[str, Any], auto: str, not_quantised: str) -> None:
    cpu(flags)
    assert usable_precision("auto", "cpu") == auto
    assert float_precision() == not_quantised
    assert usable_precision("float32", "cpu") == "float32"


@pytest.mark.parametrize("asked", ["bfloat16", "int8"])
def test_what_the_cpu_lacks_is_refused_in_one_sentence(cpu: Any, asked: str) -> None:
    cpu(HASWELL)
    with pytest.raises(ValueError, match=rf"--precision {asked}.*use float32 or auto$"):
        usable_precision(asked, "cpu")


def test_without_the_runtime_there_is_no_int8(cpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cpu(ZEN4)
    monkeypatch.setattr(precision, "RUNTIME", "no_such_package")
    assert usable_precision("auto", "cpu") == "bfloat16"
    with pytest.raises(ValueError, match="install it"):
        usable_precision("int8", "cpu")


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), "float32"), ((8, 0), "bfloat16"), ((9, 0), "bfloat16")])
def test_gpus_have_bfloat16_since_ampere(capability: tuple[int, int], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda device: capability)
    assert usable_precision("auto", "cuda") == expected


def test_gpus_and_other_words() -> None:
    assert usable_precision("float32", "cuda:1") == "float32"
    with pytest.raises(ValueError, match="CPUs only"):
        usable_precision("int8", "cuda")
    with pytest.raises(ValueError, match="none of auto"):
        usable_precision("float16", "cpu")
