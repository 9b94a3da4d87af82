"""Batches on a GPU, with a network that counts what it is given and a memory that is full at some size."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from models.inference.device_batches import USABLE_SHARE, DeviceBatches

GB = 2**30


class Network:
    """Runs out of memory above `fits` items."""

    def __init__(self, fits: int) -> None:
        self.fits = fits
        self.sizes: list[int] = []

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.sizes.append(len(items))
        if len(items) > self.fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [-item for item in items]


def test_all_at_once_where_nothing_is_known() -> None:
    network = Network(fits=100)
    assert DeviceBatches().run(network, range(32)) == [-item for item in range(32)]
    assert network.sizes == [32]
    assert DeviceBatches().run(network, []) == []


def test_what_does_not_fit_is_halved_once_and_for_all() -> None:
    network, batches = Network(fits=10), DeviceBatches()
    assert batches.run(network, range(32)) == [-item for item in range(32)]
    assert network.sizes == [32, 16, 8, 8, 8, 8]
    assert batches.run(network, range(9)) == [-item for item in range(9)]
    assert network.sizes[6:] == [8, 1]


def test_one_item_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        DeviceBatches().run(Network(fits=0), range(4))


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    batches = DeviceBatches()
    with pytest.raises(ZeroDivisionError):
        batches.run(lambda items: [1 // item for item in items], [1, 0])
    assert batches.most is None


def test_the_free_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: None)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 3 * GB)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 4 * GB)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (20 * GB, 24 * GB))
    batches, network = DeviceBatches(), Network(fits=100)
    batches.measure(network, 1, torch.device("cuda"))
    assert batches.most == int(USABLE_SHARE * 20)
    assert batches.run(network, range(32)) == [-item for item in range(32)]
    assert network.sizes == [1, 1, 16, 16]
