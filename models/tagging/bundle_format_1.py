"""Convert bundles of format 1, whose weights had other names and whose granularities were two separate settings."""

from __future__ import annotations

from typing import Any

from torch import Tensor

MODULES = {
    "project_direct": "granularities.grid.project_direct",
    "project_talked": "granularities.grid.project_guided",
    "grid": "granularities.grid.attention",
    "object_embedding": "granularities.objects.embedding",
    "objects": "granularities.objects.attention",
}
"""Name in format 1, and name today, of the modules of a tagger."""

ATTENTION_MODULES = {"encode_talked": "encode_guided", "ask_text": "attend_text", "read_talked": "read_guided"}
"""The same for the modules inside a granularity's attention."""


def upgrade(config: dict[str, Any], tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the configuration and weights of a tagger of format 1 under the names of today. Emissions stay the same.

    Args:
        config: entry `tagger` of `config.json`, with `grid_width` and `objects`.
        tensors: weights by name, of any precision.
    """
    config = dict(config)
    grid_width, objects = config.pop("grid_width"), config.pop("objects")
    granularities = [{"kind": "grid", "width": grid_width}] if grid_width else []
    granularities += [{"kind": "objects"}] if objects else []
    renamed = {}
    for name, tensor in tensors.items():
        first, dot, rest = name.partition(".")
        part, dot_of_part, rest = rest.partition(".")
        renamed[MODULES.get(first, first) + dot + ATTENTION_MODULES.get(part, part) + dot_of_part + rest] = tensor
    if len(granularities) == 1:  # format 1 fused zeros for the absent one
        half = renamed["fuse.weight"].shape[1] // 2
        renamed["fuse.weight"] = renamed["fuse.weight"][:, :half] if grid_width else renamed["fuse.weight"][:, half:]
    return config | {"granularities": granularities}, renamed
