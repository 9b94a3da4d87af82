"""The manifest of a run in `run.json`: its inputs and settings, written at the start, compared by `--resume`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from archive.stores import open_file
from archive.whole_file import whole_file
from pipeline.checks import ResolvedInputs
from pipeline.inputs import InputFile, fingerprint
from pipeline.options import OPTIONS, RunOptions, UsageError
from transforms.writers import WRITER

FILE = "run.json"


@dataclass(frozen=True)
class RunManifest:
    """Everything that decides the rows of an output.

    Attributes:
        settings: schema version, model, detector and the options that change rows.
        posts: posts files read so far, by address.
        shards: image shards by address; folders of pictures, which may grow, have none.
    """

    settings: dict[str, Any]
    posts: dict[str, InputFile] = field(default_factory=dict)
    shards: dict[str, InputFile] = field(default_factory=dict)

    def pending(self) -> list[str]:
        """Posts files that are not known to be done."""
        return [address for address, file in self.posts.items() if file.lines is None]

    def with_lines(self, lines: dict[str, int]) -> RunManifest:
        """Return the manifest when these posts files, and no others, are completely in the output."""
        return replace(self, posts={name: replace(file, lines=lines.get(name)) for name, file in self.posts.items()})


def begin(options: RunOptions, inputs: ResolvedInputs, before: RunManifest | None) -> RunManifest:
    """Return the manifest of the run that is about to begin.

    Args:
        options: of the run.
        inputs: its inputs and models.
        before: manifest of the run that is resumed, or None.

    Raises:
        UsageError: `before` was made with another model, detector, option, or with other content of an input file.
    """
    settings = {
        "schema_version": WRITER.version,
        **{option.name: getattr(options, option.name) for option in OPTIONS if option.changes_rows},
        "model": inputs.model,
        "detector": inputs.detector,
    }
    before = before or RunManifest(settings)
    for name, value in settings.items():
        if before.settings.get(name) != value:
            raise _refused(options, f"{name} is {value!r} now and was {before.settings.get(name)!r}")
    posts = {name: fingerprint(name, True, before.posts.get(name)) for name in inputs.posts}
    shards = {name: fingerprint(name, False) for name in inputs.shards if not name.endswith("/")}
    for known, now in ((before.posts, posts), (before.shards, shards)):
        changed = [name for name in now if name in known and not known[name].is_same(now[name])]
        if changed:
            raise _refused(options, f"{changed[0]} was changed since it was read")
    for name in before.pending():
        if name not in posts:
            raise _refused(options, f"{name} was begun and is not among --posts {options.posts} now")
    if before.pending() and (gone := sorted(before.shards.keys() - shards.keys())):
        raise _refused(options, f"{gone[0]} was read and is not among --images {options.images} now")
    for name in posts.keys() - before.posts.keys():
        twins = [old for old, file in before.posts.items() if file.sha256 and file.bytes and file.sha256 == posts[name].sha256]
        if twins and twins[0] not in posts:
            raise _refused(options, f"{name} holds what was read as {twins[0]}: give --posts as then")
    kept = {name: replace(now, lines=before.posts[name].lines) if name in before.posts else now for name, now in posts.items()}
    return RunManifest(settings, before.posts | kept, before.shards | shards)


def _refused(options: RunOptions, what: str) -> UsageError:
    return UsageError(f"--resume {options.output}: {what}; give what the first run had, or a new --output")


def save(output: str, manifest: RunManifest, summary: dict[str, Any]) -> None:
    """Write `run.json`, whole or not at all."""
    inputs = {kind: {name: asdict(file) for name, file in getattr(manifest, kind).items()} for kind in ("posts", "shards")}
    text = json.dumps(summary | {"settings": manifest.settings, "inputs": inputs}, indent=1, ensure_ascii=False)
    with whole_file(f"{output}/{FILE}") as file:
        file.write(f"{text}\n".encode("utf-8", "surrogateescape"))


def load(output: str) -> tuple[RunManifest, dict[str, Any]]:
    """Return the manifest of an output folder, and the whole content of its `run.json`.

    Raises:
        UsageError: it has no `run.json` of this version.
    """
    try:
        with open_file(f"{output}/{FILE}") as file:
            summary = json.loads(file.read().decode("utf-8", "surrogateescape"))
        inputs = {kind: {name: InputFile(**values) for name, values in summary["inputs"][kind].items()} for kind in ("posts", "shards")}
        return RunManifest(dict(summary["settings"]), **inputs), summary
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{output} has no {FILE} of this version: give the folder of a run, or begin anew with --overwrite") from error
