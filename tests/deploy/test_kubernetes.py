"""The manifests are what Kubernetes, the Flink Kubernetes Operator and the command take."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator

from pipeline.beam_options import parse_beam_options
from pipeline.options import parse
from pipeline.process import EXIT_USAGE
from tests.conftest import ROOT

MANIFESTS = ROOT / "deploy" / "kubernetes"
CRONJOBS = ["cronjob.yaml", "flink.yaml"]
SCHEMAS = ROOT.parent / "shared" / "data" / "schemas"
OLDEST = "1.29"
"""First version of Kubernetes with native sidecars."""


def manifest(name: str) -> dict[str, Any]:
    return yaml.safe_load((MANIFESTS / name).read_text())


@pytest.fixture(params=CRONJOBS)
def cronjob(request: pytest.FixtureRequest) -> dict[str, Any]:
    return manifest(request.param)


def job(cronjob: dict[str, Any]) -> dict[str, Any]:
    return cronjob["spec"]["jobTemplate"]["spec"]


def pod(cronjob: dict[str, Any]) -> dict[str, Any]:
    return job(cronjob)["template"]["spec"]


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


def test_every_manifest_is_tested_here() -> None:
    assert {path.name for path in MANIFESTS.iterdir()} == {*CRONJOBS, "session.yaml"}


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
def test_the_nightly_jobs_have_the_schema_of_kubernetes(cronjob: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(cronjob, version, strict=True)


def test_a_misplaced_field_of_a_job_would_be_found(cronjob: dict[str, Any]) -> None:
    broken = deepcopy(cronjob)
    broken["spec"]["podFailurePolicy"] = job(broken).pop("podFailurePolicy")
    with pytest.raises(kubernetes_validate.ValidationError, match="podFailurePolicy"):
        kubernetes_validate.validate(broken, OLDEST, strict=True)


def test_a_night_adds_to_one_output_and_is_alone(cronjob: dict[str, Any]) -> None:
    options, _ = parse(pod(cronjob)["containers"][0]["args"])
    assert options.resume
    assert not any(sign.isdigit() for sign in options.output.removeprefix("s3://"))
    assert cronjob["spec"]["concurrencyPolicy"] == "Forbid"
    assert cronjob["spec"]["startingDeadlineSeconds"] > 0


def test_the_deadline_is_before_the_next_night(cronjob: dict[str, Any]) -> None:
    minute, hour, *rest = cronjob["spec"]["schedule"].split()
    assert (minute.isdigit(), hour.isdigit(), rest) == (True, True, ["*", "*", "*"])
    assert job(cronjob)["activeDeadlineSeconds"] + pod(cronjob)["terminationGracePeriodSeconds"] < 24 * 3600


def test_a_mistake_fails_at_once_and_a_lost_node_counts_for_nothing(cronjob: dict[str, Any]) -> None:
    mistake, disruption = job(cronjob)["podFailurePolicy"]["rules"]
    assert mistake == {
        "action": "FailJob",
        "onExitCodes": {"containerName": pod(cronjob)["containers"][0]["name"], "operator": "In", "values": [EXIT_USAGE]},
    }
    assert disruption == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    assert pod(cronjob)["restartPolicy"] == "Never"  # a podFailurePolicy needs it


def test_nothing_runs_as_root_or_writes_outside_of_tmp(cronjob: dict[str, Any]) -> None:
    assert pod(cronjob)["securityContext"]["runAsNonRoot"]
    for container in [*pod(cronjob).get("initContainers", []), *pod(cronjob)["containers"]]:
        allowed = container["securityContext"]
        assert (allowed["readOnlyRootFilesystem"], allowed["allowPrivilegeEscalation"]) == (True, False)
        assert container["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
        assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
        assert container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"]
    environment = {entry["name"]: entry["value"] for entry in pod(cronjob)["containers"][0]["env"]}
    assert environment["HOME"] == "/tmp"


def test_the_command_gets_sigterm_as_process_1(cronjob: dict[str, Any]) -> None:
    container = pod(cronjob)["containers"][0]
    assert container["command"] == ["python", "run_pipeline.py"]  # no shell between
    assert pod(cronjob)["terminationGracePeriodSeconds"] >= 30


def test_threads_are_the_cores_that_are_asked_for() -> None:
    container = pod(manifest("cronjob.yaml"))["containers"][0]
    options, _ = parse(container["args"])
    assert str(options.threads) == container["resources"]["requests"]["cpu"]


def test_secrets_come_from_a_secret_and_never_from_the_manifest(cronjob: dict[str, Any]) -> None:
    container = pod(cronjob)["containers"][0]
    assert container["envFrom"] == [{"secretRef": {"name": "postner-store"}}]
    assert not any("KEY" in entry["name"] for entry in container["env"])


def test_the_session_cluster_is_a_flink_deployment() -> None:
    assert problems(manifest("session.yaml")) == []


def test_a_misplaced_field_would_be_found() -> None:
    broken = manifest("session.yaml")
    broken["spec"]["podTemplate"] = {"containers": broken["spec"]["taskManager"].pop("podTemplate")}
    assert any("containers" in problem for problem in problems(broken))


def test_the_pod_of_a_task_manager_has_the_schema_of_kubernetes() -> None:
    spec = manifest("session.yaml")["spec"]["taskManager"]["podTemplate"]["spec"]
    kubernetes_validate.validate({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "worker"}, "spec": spec}, OLDEST, strict=True)


def test_workers_are_a_side_car_that_holds_the_gpu() -> None:
    flink, workers = manifest("session.yaml")["spec"]["taskManager"]["podTemplate"]["spec"]["containers"]
    assert flink == {"name": "flink-main-container"}
    assert workers["args"] == ["--worker_pool"]
    assert workers["resources"]["limits"]["nvidia.com/gpu"] == 1


def test_between_the_nights_the_session_holds_no_gpu() -> None:
    spec = manifest("session.yaml")["spec"]
    assert spec["mode"] == "native"
    assert "replicas" not in spec["taskManager"]
    [parallelism] = [arg for arg in pod(manifest("flink.yaml"))["containers"][0]["args"] if arg.startswith("--parallelism=")]
    assert parallelism.endswith(f"={spec['flinkConfiguration']['slotmanager.number-of-slots.max']}")


def test_the_command_its_job_server_and_the_workers_find_each_other() -> None:
    nightly = pod(manifest("flink.yaml"))
    options, rest = parse(nightly["containers"][0]["args"])
    beam_options = parse_beam_options(rest, options)
    told = beam_options.get_all_options(drop_default=True)
    workers = manifest("session.yaml")["spec"]["taskManager"]["podTemplate"]["spec"]["containers"][1]
    assert told["environment_config"] == f"localhost:{workers['ports'][0]['containerPort']}"
    [server] = nightly["initContainers"]
    assert f"--job-port={told['job_endpoint'].split(':')[1]}" in server["args"]
    assert f"--flink-master={manifest('session.yaml')['metadata']['name']}-rest:8081" in server["args"]
    assert server["restartPolicy"] == "Always"
