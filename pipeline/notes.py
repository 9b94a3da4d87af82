"""Notes of a run: what the user should know before trusting the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from pipeline.audit import Audit
from pipeline.inputs import FoundInputs
from pipeline.manifest import RunManifest

SHARE_OF_ESCAPED = 0.01
"""Share of texts with HTML entities above which a note suggests `--markup escaped`."""

NAMED = 3
"""How many examples a note names."""


def notes(inputs: FoundInputs, run: RunManifest, audited: Audit, member_names: Callable[[], Sequence[str]]) -> Iterator[str]:
    """Yield the notes of a run that has ended.

    Args:
        inputs: the files that the command names.
        run: the manifest of the run.
        audited: the output folder, counted.
        member_names: returns the names of some pictures in the shards.
    """
    presets = Counter(file.fields.preset for file in run.posts.values() if file.fields)
    yield "posts were read as " + ", ".join(f"{name} ({_files(amount)})" for name, amount in presets.most_common())
    if inputs.passed_over:
        examples = ", ".join([*list(inputs.passed_over)[:NAMED], *["..."] * (len(inputs.passed_over) > NAMED)])
        yield f"{_files(sum(inputs.passed_over.values()))} passed over in the folders: {examples}"
    rows = audited.total("rows")
    if audited.escaped > SHARE_OF_ESCAPED * rows:
        found = f"{audited.escaped:,} of {rows:,} texts hold HTML entities such as &amp;"
        yield f"{found}: give --markup escaped to decode them, or html if they hold tags too"
    if audited.repeated_ids.count:
        about = "" if audited.repeated_ids.is_exact else "about "
        yield f"{about}{audited.repeated_ids.count:,} rows repeat the id of another row; source and line tell them apart"
    named = sum(audited.images.values())
    if inputs.shards and not named:
        yield "--images was given, but no post names a picture: give their field, such as --images_field 'media[].url'"
    elif inputs.shards:
        yield from _about_keys(named, named - audited.images["missing"], audited.keys_not_found, member_names)


def _about_keys(named: int, found: int, not_found: Sequence[str], member_names: Callable[[], Sequence[str]]) -> Iterator[str]:
    yield f"{found:,} of {named:,} keys of pictures were found in --images"
    if found < named / 2:
        keys = ", ".join(map(repr, not_found[:NAMED]))
        members = ", ".join(map(repr, member_names()[:NAMED])) or "none"
        yield f"keys of posts that were not found: {keys}; names in --images: {members}"


def _files(amount: int) -> str:
    return f"{amount:,} file" if amount == 1 else f"{amount:,} files"
