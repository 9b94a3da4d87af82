"""Read photos from shards, to measure a detector with or to quantise it."""

from __future__ import annotations

from archive.images import fetch, find_shards, members_by_name
from archive.images.image_error import ImageError
from models.vision.images.preprocess import Preprocess, PreprocessedImage


def read_photos(images: str, count: int, preprocess: Preprocess, is_spread: bool = False) -> list[PreprocessedImage]:
    """Return photos as the networks read them. Those that cannot be read are left out.

    Args:
        images: glob of image shards, or a folder.
        count: photos, at most.
        preprocess: bytes of a photo to what the networks read.
        is_spread: photos from all over the shards, not the first ones.

    Raises:
        ValueError: there are no shards.
    """
    members = [*members_by_name(find_shards([images], "--images").shards)[0].values()]
    chosen = members[:: max(1, len(members) // count)][:count] if is_spread else members[:count]
    photos = []
    for _, data in fetch(chosen, preprocess.limits.max_image_bytes):
        try:
            if isinstance(data, bytes):
                photos.append(preprocess(data))
        except ImageError:
            continue
    return photos
