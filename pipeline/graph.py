"""The graph of a run."""

from __future__ import annotations

from collections.abc import Sequence

import apache_beam as beam

from pipeline.options import RunOptions
from transforms.locate_images import REJECTS, LocateImages
from transforms.read_posts import ReadPosts, SliceFilter
from transforms.run_models import AnnotateSlices
from transforms.write import WriteShardRejects, WriteSlices


def build(pipeline: beam.Pipeline, options: RunOptions, posts: Sequence[str], shards: Sequence[str], slice_filter: SliceFilter) -> None:
    """Wire `read posts` and `index shards` -> join -> look -> tag -> write.

    Args:
        pipeline: to wire into.
        options: of the run.
        posts: addresses of the posts files.
        shards: addresses of the image shards.
        slice_filter: the slices of the posts files that are to be annotated.
    """
    read = pipeline | "ReadPosts" >> ReadPosts(posts, options.max_line_bytes, slice_filter)
    located = read | "LocateImages" >> LocateImages(shards)
    annotate = AnnotateSlices(options.models, options.limits).with_resource_hints(**options.hints)
    annotated = located["slices"] | "Annotate" >> annotate
    annotated | "Write" >> WriteSlices(options.output)
    if slice_filter.part == 0:
        located[REJECTS] | "WriteShardRejects" >> WriteShardRejects(options.output)
