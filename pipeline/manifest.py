"""The manifest of a run in `run.json`: its inputs and settings, written at the start, compared by `--resume`."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgspec

from archive.images.index import changed_shards
from archive.posts.fields.presets import Fields
from archive.stores import Version, open_file
from archive.whole_file import whole_file
from pipeline.inputs import THREADS, FoundInputs, InputFile, fingerprint
from pipeline.options import OPTIONS, RunOptions, UsageError
from transforms.writers import WRITER

if TYPE_CHECKING:
    from pipeline.checks import LoadedModels

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

    def versions(self) -> dict[str, Version]:
        """Return the versions of all files."""
        return {name: file.version for name, file in (self.posts | self.shards).items()}

    def pending(self) -> dict[str, Fields]:
        """Return the fields of each posts file that is not known to be done."""
        return {address: file.fields for address, file in self.posts.items() if file.lines is None and file.fields}

    def with_lines(self, lines: dict[str, int]) -> RunManifest:
        """Return the manifest when these posts files, and no others, are completely in the output."""
        return replace(self, posts={name: replace(file, lines=lines.get(name)) for name, file in self.posts.items()})


def begin(
    options: RunOptions, inputs: FoundInputs, fields: dict[str, Fields], models: LoadedModels, before: RunManifest | None
) -> RunManifest:
    """Return the manifest of the run that is about to begin.

    Args:
        options: of the run.
        inputs: its files.
        fields: which fields make a post, for each posts file that `before` does not know.
        models: its models.
        before: manifest of the run that is resumed, or None.

    Raises:
        UsageError: `before` was made with another model, detector, option, or with other content of an input file. A shard
            that only grew, or only has another date, is the same.
    """
    settings = {
        "schema_version": WRITER.version,
        **{option.name: _as_json(getattr(options, option.name)) for option in OPTIONS if option.changes_rows},
        "model": models.tagger,
        "detector": models.detector,
        "ocr": models.ocr,
        "precision": models.precision,
    }
    before = before or RunManifest(settings)
    for name, value in settings.items():
        if not _is_same(name, before.settings.get(name), value):
            raise _refused(options, f"{name} is {value!r} now and was {before.settings.get(name)!r}")
    versions = inputs.versions
    with ThreadPoolExecutor(THREADS) as threads:
        found = threads.map(lambda name: fingerprint(name, versions[name], before.posts.get(name)), inputs.posts)
        posts = dict(zip(inputs.posts, found, strict=True))
    shards = {name: InputFile(*versions[name]) for name in inputs.shards if name in versions}
    changed = [name for name, file in posts.items() if name in before.posts and not before.posts[name].is_same(file)]
    known = {name: (before.shards[name].version, file.version) for name, file in shards.items() if name in before.shards}
    changed = changed or changed_shards(known, options.index_folder, options.output)
    if changed:
        raise _refused(options, f"{changed[0]} was changed since it was read")
    for name in before.pending():
        if name not in posts:
            raise _refused(options, f"{name} was begun and is not among --posts {' '.join(options.posts)} now")
    if before.pending() and (gone := sorted(before.shards.keys() - shards.keys())):
        raise _refused(options, f"{gone[0]} was read and is not among --images {' '.join(options.images)} now")
    for name in posts.keys() - before.posts.keys():
        twins = [old for old, file in before.posts.items() if file.sha256 and file.bytes and file.sha256 == posts[name].sha256]
        if twins and twins[0] not in posts:
            raise _refused(options, f"{name} holds what was read as {twins[0]}: give --posts as then")
    kept = {
        name: replace(now, lines=then.lines, fields=then.fields) if (then := before.posts.get(name)) else replace(now, fields=fields[name])
        for name, now in posts.items()
    }
    return RunManifest(settings, before.posts | kept, before.shards | shards)


def _is_same(name: str, then: Any, now: Any) -> bool:
    """Whether rows of both values may stand in one output. Workers of an engine choose their precision by themselves: `auto`."""
    return then == now or (name == "precision" and "auto" in (then, now))


def _refused(options: RunOptions, what: str) -> UsageError:
    return UsageError(f"--resume {options.output}: {what}; give what the first run had, or a new --output")


def _as_json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


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
        inputs = {kind: {name: _input_file(values) for name, values in summary["inputs"][kind].items()} for kind in ("posts", "shards")}
        return RunManifest(dict(summary["settings"]), **inputs), summary
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:  # msgspec's errors are ValueErrors
        raise UsageError(f"{output} has no {FILE} of this version: give the folder of a run, or begin anew with --overwrite") from error


def _input_file(values: dict[str, Any]) -> InputFile:
    fields = values["fields"]
    return InputFile(**values | {"fields": msgspec.convert(fields, Fields) if fields else None})
