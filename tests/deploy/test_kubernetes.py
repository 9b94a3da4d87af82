"""The manifests are what the Flink Kubernetes Operator and the command take."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from pipeline.beam_options import parse_beam_options
from pipeline.options import parse
from tests.conftest import ROOT

MANIFESTS = ROOT / "deploy" / "kubernetes"
SCHEMAS = ROOT.parent / "shared" / "data" / "schemas"


def manifest(name: str) -> dict[str, Any]:
    return yaml.safe_load((MANIFESTS / name).read_text())


def strict(schema: Any) -> Any:
    """The schema, with fields that it does not name forbidden, as the API server's field validation does."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {name: strict(part) for name, part in schema.items()}
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        changed["additionalProperties"] = False
    if schema.get("x-kubernetes-int-or-string"):
        changed.pop("type", None)
    return changed


def problems(manifest: dict[str, Any]) -> list[str]:
    path = SCHEMAS / "flinkdeployments.yml"
    if not path.exists():
        pytest.skip(f"the operator's schema {path.name} is not here")
    [version] = [v for v in yaml.safe_load(path.read_text())["spec"]["versions"] if v["name"] == "v1beta1"]
    schema = strict(version["schema"]["openAPIV3Schema"])
    schema["properties"] |= {name: {} for name in ("apiVersion", "kind", "metadata")}
    return [error.message for error in Draft202012Validator(schema).iter_errors(manifest)]


def test_the_session_cluster_is_a_flink_deployment() -> None:
    assert problems(manifest("session.yaml")) == []


def test_a_misplaced_field_would_be_found() -> None:
    broken = manifest("session.yaml")
    broken["spec"]["replicas"] = broken["spec"]["taskManager"].pop("replicas")
    assert any("replicas" in problem for problem in problems(broken))


def test_workers_are_a_side_car_that_holds_the_gpu() -> None:
    pod = manifest("session.yaml")["spec"]["taskManager"]["podTemplate"]["spec"]
    flink, workers = pod["containers"]
    assert flink == {"name": "flink-main-container"}
    assert workers["args"] == ["--worker_pool"]
    assert workers["resources"]["limits"]["nvidia.com/gpu"] == 1


def test_the_submitted_command_is_one_that_the_command_line_takes() -> None:
    pod = manifest("annotate.yaml")["spec"]["template"]["spec"]
    options, rest = parse(pod["containers"][0]["args"])
    beam_options = parse_beam_options(rest, options)
    assert options.resume
    told = beam_options.get_all_options(drop_default=True)
    [port] = [
        port["containerPort"] for port in manifest("session.yaml")["spec"]["taskManager"]["podTemplate"]["spec"]["containers"][1]["ports"]
    ]
    assert told["environment_config"] == f"localhost:{port}"
    assert f"--job-port={told['job_endpoint'].split(':')[1]}" in pod["initContainers"][0]["args"]
