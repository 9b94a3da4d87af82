"""What Dataflow is told, built without Google: the graph, the job and the template."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.portability.api import beam_runner_api_pb2

from archive.posts.fields.presets import PRESETS
from deploy.dataflow.template import metadata
from pipeline.beam_options import parse_beam_options
from pipeline.graph import Work, build
from pipeline.options import UsageError, parse
from tests.conftest import ROOT
from tests.deploy.stores import GoogleStorage
from transforms.read_posts import SliceFilter

GPU = "type:nvidia-l4;count:1;install-nvidia-driver"
REQUIRED = ["--posts=gs://archive/posts.jsonl", "--images=gs://archive/images.tar", "--output=gs://archive/out"]


def graph(*options: str) -> beam_runner_api_pb2.Pipeline:
    ours, rest = parse([*REQUIRED, *options])
    beams = parse_beam_options(rest, ours)
    pipeline = beam.Pipeline(options=beams)
    posts = dict.fromkeys(ours.posts, PRESETS["postner"].fields("postner"))
    build(pipeline, ours, Work(posts, ours.images, {}, SliceFilter(), "run", f"{ours.output}/index"))
    return pipeline.to_runner_api()


def leaves(proto: beam_runner_api_pb2.Pipeline) -> dict[str, Any]:
    """Transforms that do something, by name."""
    return {t.unique_name: t for t in proto.components.transforms.values() if t.spec.urn and not t.subtransforms}


def test_the_gpu_is_asked_for_by_the_annotating_stage_and_no_other() -> None:
    proto = graph(f"--accelerator={GPU}", "--min_ram=16GB")
    hints = {name: proto.components.environments[t.environment_id].resource_hints for name, t in leaves(proto).items() if t.environment_id}
    assert {name for name in hints if hints[name]} == {name for name in hints if name.startswith("Annotate/")}
    asked = next(hints[name] for name in hints if hints[name])
    assert asked["beam:resources:accelerator:v1"] == GPU.encode()
    assert int(asked["beam:resources:min_ram_bytes:v1"]) == 16 * 10**9


def test_without_hints_every_stage_is_alike() -> None:
    assert not any(environment.resource_hints for environment in graph().components.environments.values())


def test_hints_that_mean_nothing_are_a_mistake_of_the_user() -> None:
    with pytest.raises(UsageError, match="min_ram 'much'"):
        graph("--min_ram=much")


def test_no_picture_and_no_text_can_cross_a_shuffle() -> None:
    """What is shuffled are names of files, of posts and of shards that are to be indexed, and places in posts files."""
    proto = graph()
    made_by = {out: t for t in leaves(proto).values() for out in t.outputs.values()}
    shuffled = [t for t in leaves(proto).values() if t.spec.urn == "beam:transform:group_by_key:v1"]
    assert {t.unique_name.split("/")[0] for t in shuffled} == {"ReadPosts", "IndexShards"}
    reaching, before = [name for t in shuffled for name in t.inputs.values()], set()
    while reaching:
        maker = made_by.get(reaching.pop())
        if maker and maker.unique_name not in before:
            before.add(maker.unique_name)
            reaching += maker.inputs.values()
    assert not any("_counted_slices" in name or name.startswith(("LocateImages", "Annotate")) for name in before)


def test_posts_wait_for_the_index() -> None:
    """The index is a side input of the look-up, so no key is looked up before all shards are indexed."""
    proto = graph()
    made_by = {out: name for name, t in leaves(proto).items() for out in t.outputs.values()}
    [look_up] = [t for name, t in leaves(proto).items() if name.startswith("LocateImages/")]
    assert any(made_by[one].startswith("IndexShards/Merge") for one in look_up.inputs.values())


def test_the_template_is_that_of_the_options() -> None:
    assert json.loads((ROOT / "deploy" / "dataflow" / "metadata.json").read_text()) == metadata()


def test_the_template_takes_what_the_command_takes() -> None:
    parameters = {parameter["name"]: parameter for parameter in metadata()["parameters"]}
    for name, parameter in parameters.items():
        assert parameter["helpText"], name
        if "defaultValue" in parameter:
            assert re.fullmatch(parameter["regexes"][0], parameter["defaultValue"]), name
    given = {"posts": "gs://b/p*.jsonl", "output": "gs://b/out", "resume": "true", "threads": "4", "device": "cuda:1", "watch": "1.5"}
    assert all(re.fullmatch(parameters[name]["regexes"][0], value) for name, value in given.items())
    options, _ = parse([f"--{name}={value}" for name, value in given.items()])
    assert (options.resume, options.threads, options.device, options.watch) == (True, 4, "cuda:1", 1.5)
    refused = {"resume": "yes", "threads": "many", "device": "gpu", "posts": ""}
    assert not any(re.fullmatch(parameters[name]["regexes"][0], value) for name, value in refused.items())


@pytest.mark.timeout(300)
def test_the_command_describes_the_job_for_the_template_launcher(tmp_path: Path) -> None:
    """The launcher runs the command with --template_location, and Google's storage is a server on this machine."""
    with GoogleStorage("archive") as store:
        store.filesystem.pipe("archive/posts.jsonl", b'{"id": 1, "text": "Paris", "images": []}\n')
        store.filesystem.pipe("archive/images.tar", bytes(1024))
        command = [
            sys.executable,
            "run_pipeline.py",
            *REQUIRED,
            f"--accelerator={GPU}",
            "--runner=DataflowRunner",
            "--project=some-project",
        ]
        command += ["--region=europe-west4", "--temp_location=gs://archive/tmp", f"--template_location={tmp_path}/job.json"]
        command += ["--sdk_container_image=registry/postner:cuda", "--sdk_location=container"]
        command += ["--experiments=no_use_multiple_sdk_containers"]
        ran = subprocess.run(command, cwd=ROOT, env=store.environment, capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert "--resume" in ran.stdout
        assert json.loads(store.filesystem.cat("archive/out/run.json"))["state"] == "running"
    environment = json.loads((tmp_path / "job.json").read_text())["environment"]
    assert "use_multiple_sdk_containers" not in environment["experiments"]
    [pool] = environment["workerPools"]
    images = pool["sdkHarnessContainerImages"]
    assert {image["containerImage"] for image in images} == {"registry/postner:cuda"}
    assert not [package for package in pool["packages"] if "main_session" in package["name"]]
