"""The graph of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import apache_beam as beam

from archive.images.index import IndexFile
from archive.posts.fields.presets import Fields
from archive.stores import Version
from pipeline.options import RunOptions
from transforms.index_shards import IndexShards
from transforms.locate_images import LocateImages
from transforms.read_posts import ReadPosts, SliceFilter
from transforms.run_models import AnnotateSlices
from transforms.write import WriteSlices


@dataclass(frozen=True)
class Work:
    """What is to be annotated.

    Attributes:
        posts: which fields make a post, for each posts file.
        shards: addresses of the image shards.
        versions: of the shards that are files, as far as they are known.
        slice_filter: the slices of the posts files that are to be annotated.
        run_id: id of the run, which its files of annotations carry.
        index_folder: address of the index of the shards.
        index: the index if it is up to date; else the graph begins with a stage that brings it up to date.
    """

    posts: Mapping[str, Fields]
    shards: Sequence[str]
    versions: Mapping[str, Version]
    slice_filter: SliceFilter
    run_id: str
    index_folder: str
    index: IndexFile | None = None

    @property
    def is_local(self) -> bool:
        """Whether the work is done on this machine, where the index is brought up to date before."""
        return self.index is not None


def build(pipeline: beam.Pipeline, options: RunOptions, work: Work) -> None:
    """Wire read -> locate -> detect -> tag -> write: one fused stage, in which a post's line becomes its row.

    On an engine, stages before it index the shards and cut the posts files.
    """
    index = work.index or pipeline | "IndexShards" >> IndexShards(work.shards, work.index_folder, options.output)
    read = pipeline | "ReadPosts" >> ReadPosts(work.posts, options.max_line_bytes, work.slice_filter, cuts=not work.is_local)
    located = read | "LocateImages" >> LocateImages(index, options.max_image_bytes)
    annotate = AnnotateSlices(options.models, options.limits, options.decode_threads, options.local_workers)
    annotate = annotate.with_resource_hints(**options.hints)
    annotated = located | "Annotate" >> annotate
    annotated | "Write" >> WriteSlices(options.output, work.run_id)
