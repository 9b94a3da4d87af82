"""Find where the first N posts of an archive end, for `--limit`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from archive.posts.entries import read_entries
from archive.posts.fields.post import parse
from archive.posts.fields.presets import Fields
from archive.posts.formats.too_long import TooLong
from archive.posts.packing import DamagedError
from archive.posts.records import Post
from pipeline.inputs import FoundInputs
from pipeline.manifest import RunManifest
from pipeline.options import RunOptions, UsageError


def first_posts(
    inputs: FoundInputs, fields: Mapping[str, Fields], options: RunOptions, before: RunManifest | None
) -> tuple[FoundInputs, dict[str, Fields]]:
    """Return the files and fields of a run with `--limit`.

    Args:
        inputs: the files that the command names.
        fields: which fields make a post, for each posts file that `before` does not know.
        options: of the run.
        before: manifest of the run that is resumed, or None.

    Raises:
        UsageError: a file cannot be read, or the first posts are others than those of the run that is resumed.
    """
    known = {name: file.fields for name, file in before.posts.items() if file.fields} if before else {}
    found = limited({name: fields.get(name) or known[name] for name in inputs.posts}, options.limit or 0, options.max_line_bytes)
    for name, then in known.items():
        if found.get(name) != then:
            raise UsageError(
                f"--resume {options.output}: the first {options.limit} posts were others then (see {name}): give the --posts of then"
            )
    return inputs._replace(posts=[*found]), found


def limited(fields: Mapping[str, Fields], posts: int, max_line_bytes: int) -> dict[str, Fields]:
    """Return the files that hold the first posts; the last of them with the number of lines after which it is left.

    The lines are fixed before the work begins. So the posts are the same with any number of workers, and when the run is
    resumed.

    Args:
        fields: which fields make a post, for each posts file, in order.
        posts: how many posts there are to be.
        max_line_bytes: longer lines are no posts.

    Raises:
        UsageError: a file cannot be read.
    """
    first: dict[str, Fields] = {}
    for address, of_file in fields.items():
        if posts == 0:
            break
        first[address] = whole = replace(of_file, lines=None)
        lines = 0
        try:
            for entry in read_entries(address, max_line_bytes, whole.each_paths):
                lines += 1
                posts -= not isinstance(entry.data, TooLong) and isinstance(parse(entry, whole), Post)
                if posts == 0:
                    first[address] = replace(whole, lines=lines)
                    break
        except DamagedError:  # the run tells it
            continue
        except OSError as error:
            raise UsageError(f"--posts {address} cannot be read: {error}") from error
    return first
