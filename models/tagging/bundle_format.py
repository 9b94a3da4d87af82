"""Bundles of format 1, which named their two granularities one by one, as bundles of today."""

from __future__ import annotations

from typing import Any

from torch import Tensor

RENAMED = {
    "project_direct": "granularities.grid.project_direct",
    "project_talked": "granularities.grid.project_guided",
    "grid": "granularities.grid.attention",
    "object_embedding": "granularities.objects.embedding",
    "objects": "granularities.objects.attention",
}

PARTS = {"encode_talked": "encode_guided", "ask_text": "attend_text", "read_talked": "read_guided"}
"""Modules of the attention of a granularity."""


def upgraded(config: dict[str, Any], tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return configuration and weights of a tagger of format 1 as they are called today; emissions stay the same.

    Args:
        config: `tagger` of `config.json`, with `grid_width` and `objects`.
        tensors: its weights by name, of any precision.
    """
    config = dict(config)
    grid_width, objects = config.pop("grid_width"), config.pop("objects")
    granularities = [{"kind": "grid", "width": grid_width}] if grid_width else []
    granularities += [{"kind": "objects"}] if objects else []
    renamed = {}
    for name, tensor in tensors.items():
        first, dot, rest = name.partition(".")
        part, dot_of_part, rest = rest.partition(".")
        renamed[RENAMED.get(first, first) + dot + PARTS.get(part, part) + dot_of_part + rest] = tensor
    if len(granularities) == 1:  # the absent one was fused as zeros
        half = renamed["fuse.weight"].shape[1] // 2
        renamed["fuse.weight"] = renamed["fuse.weight"][:, :half] if grid_width else renamed["fuse.weight"][:, half:]
    return config | {"granularities": granularities}, renamed
