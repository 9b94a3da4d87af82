"""The engine against torch on a small network, in any number of threads, with any cache."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
import torch
from torch import nn

from models.inference.compiled_cache import CompiledCache
from models.inference.engine import Engine

SHAPES = [(1, 3, 20, 30), (1, 3, 9, 9), (1, 3, 20, 30), (2, 3, 9, 12)]


@pytest.fixture(scope="module")
def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.SiLU(), nn.Conv2d(16, 4, 1)).eval()


@pytest.fixture(scope="module")
def inputs() -> list[np.ndarray]:
    return [np.random.default_rng(i).random(shape, dtype=np.float32) for i, shape in enumerate(SHAPES * 4)]


class Converter:
    """Converts the network and counts how often."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.calls = 0

    def __call__(self) -> Any:
        self.calls += 1
        return openvino.convert_model(self.network, example_input=torch.zeros(1, 3, 8, 8))


def test_equals_torch_whatever_the_threads_and_neighbours(network: nn.Module, inputs: list[np.ndarray], tmp_path: Path) -> None:
    results = []
    for threads in (1, 2):
        engine = Engine("small", Converter(network), "float32", threads, CompiledCache(tmp_path))
        with ThreadPoolExecutor(threads) as pool:
            results.append(list(pool.map(lambda array, run=engine: run([array])[0].copy(), inputs)))
    for one, two, array in zip(*results, inputs, strict=True):
        assert np.array_equal(one, two)
        with torch.no_grad():
            np.testing.assert_allclose(one, network(torch.from_numpy(array)).numpy(), atol=1e-5)


def test_a_compiled_network_is_kept_and_a_damaged_one_is_made_again(network: nn.Module, inputs: list[np.ndarray], tmp_path: Path) -> None:
    converter = Converter(network)

    def run() -> np.ndarray:
        (output,) = Engine("small", converter, "float32", 1, CompiledCache(tmp_path))(inputs[:1])
        return output

    first = run()
    assert np.array_equal(run(), first)
    assert converter.calls == 1
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-100])
    assert np.array_equal(run(), first)
    assert np.array_equal(run(), first)
    assert converter.calls == 2


def test_a_blob_that_openvino_does_not_take_is_made_again(network: nn.Module, inputs: list[np.ndarray], tmp_path: Path) -> None:
    cache = CompiledCache(tmp_path)
    first = Engine("small", Converter(network), "float32", 1, cache)(inputs[:1])
    cache.read = lambda path: b"of another build" * 100  # type: ignore[method-assign]
    again = Engine("small", Converter(network), "float32", 1, cache)(inputs[:1])
    assert np.array_equal(first[0], again[0])


def test_a_home_that_cannot_be_written(network: nn.Module, inputs: list[np.ndarray], tmp_path: Path) -> None:
    (tmp_path / "home").write_bytes(b"")
    (output,) = Engine("small", Converter(network), "float32", 1, CompiledCache(tmp_path / "home" / ".cache"))(inputs[:1])
    assert output.shape == (1, 4, 20, 30)
