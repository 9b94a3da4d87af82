"""The graph of a run."""

from __future__ import annotations

from collections.abc import Sequence

import apache_beam as beam

from archive.images.index import IndexFile
from pipeline.options import RunOptions
from transforms.index_shards import IndexShards
from transforms.locate_images import LocateImages
from transforms.read_posts import ReadPosts, SliceFilter
from transforms.run_models import AnnotateSlices
from transforms.write import WriteSlices


def build(
    pipeline: beam.Pipeline,
    options: RunOptions,
    posts: Sequence[str],
    shards: Sequence[str],
    slice_filter: SliceFilter,
    index_folder: str,
    index: IndexFile | None = None,
) -> None:
    """Wire read -> locate -> detect -> tag -> write: one fused stage, in which a post's line becomes its row.

    Args:
        pipeline: to wire into.
        options: of the run.
        posts: addresses of the posts files.
        shards: addresses of the image shards.
        slice_filter: the slices of the posts files that are to be annotated.
        index_folder: address of the index.
        index: the index where it is up to date; else a first stage brings it up to date.
    """
    located_in = index or pipeline | "IndexShards" >> IndexShards(shards, index_folder, options.output)
    read = pipeline | "ReadPosts" >> ReadPosts(posts, options.max_line_bytes, slice_filter)
    located = read | "LocateImages" >> LocateImages(located_in, options.max_image_bytes)
    annotate = AnnotateSlices(options.models, options.limits, local_workers=options.local_workers).with_resource_hints(**options.hints)
    annotated = located | "Annotate" >> annotate
    annotated | "Write" >> WriteSlices(options.output)
