"""Read captions of the pictures of labelled posts, which stand for what is written in these pictures."""

from __future__ import annotations

import json
from pathlib import Path


def captions_file(labelled: Path) -> Path:
    """Return the file of the captions for a file of labelled posts: `valid.captions.jsonl` beside `valid.txt`."""
    return labelled.with_name(f"{labelled.stem}.captions.jsonl")


def read_captions(labelled: Path) -> dict[str, str]:
    """Return the captions of the pictures of a file of labelled posts, by key of the picture.

    Each line of the captions file is an object with the strings `image` and `caption`; other fields are ignored.

    Raises:
        OSError: there is no captions file.
        ValueError: a line is something else. The message names file and line.
    """
    path = captions_file(labelled)
    captions: dict[str, str] = {}
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            record = json.loads(line)
            key, caption = record["image"], record["caption"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f'{path}:{number} is not {{"image": ..., "caption": ...}} in JSON: {error}') from error
        if not isinstance(key, str) or not isinstance(caption, str):
            raise ValueError(f"{path}:{number}: image and caption have to be strings")
        captions[key] = caption
    return captions
