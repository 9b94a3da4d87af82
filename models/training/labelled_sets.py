"""Read the labelled posts of a training run, and the entity types that they have."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from models.datasets.conll import read_labelled, type_names_in
from models.datasets.labelled_post import LabelledPost
from models.datasets.type_names import TypeNames, check_renames, renames_of, types_of

LabelledSet = dict[Path, tuple[list[LabelledPost], Counter[str]]]
"""Posts and counts of repairs by folder."""


def read_sets(
    train: Mapping[Path, Path], valid: Mapping[Path, Path], given: Mapping[str, str]
) -> tuple[tuple[str, ...], LabelledSet, LabelledSet]:
    """Return the entity types of all files, and the posts of the training and of the valid files.

    Types, what they were called, and repairs are told on standard error.

    Args:
        train, valid: file by folder.
        given: new names of types by `--map`.

    Raises:
        ValueError: as `read_labelled`, or a renamed type is not in the data.
    """
    seen = type_names_in([*train.values(), *valid.values()])
    check_renames(given, seen)
    renames = renames_of(seen, given)
    types = types_of(seen, renames)
    print(f"types: {', '.join(types)}", file=sys.stderr)
    for old, new in renames.items():
        print(f"type {old}: {f'read as {new}' if new else 'left out'}", file=sys.stderr)
    return types, _read(train, types, renames), _read(valid, types, renames)


def _read(files: Mapping[Path, Path], types: tuple[str, ...], renames: Mapping[str, str]) -> LabelledSet:
    read = {folder: read_labelled(path, TypeNames(types, renames)) for folder, path in files.items()}
    for folder, (_, repaired) in read.items():
        for kind, count in sorted(repaired.items()):
            print(f"{files[folder]}: {count} {kind.replace('_', ' ')}", file=sys.stderr)
    return read
