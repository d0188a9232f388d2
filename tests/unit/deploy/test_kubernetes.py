"""Values for the Dagster chart and our own manifests.

No package carries the chart's values.schema.json and this project does not copy it, so the values are checked against the
keys listed below (from the chart's schema sources, dagster 1.13: helm/dagster/schema), and the parts that become Dagster's
instance file are checked by Dagster itself. Kubernetes' own schema is not checked; `kubectl apply --dry-run=server` does.
"""

from typing import Any

import pytest
import yaml
from dagster._config import process_config
from dagster._core.instance.config import dagster_instance_config_schema

from tests.deploy_files import ROOT, VALUES, containers, instructions, manifests, ours
from xbot_dagster import __version__

_POD = {"podSecurityContext", "securityContext", "resources", "env", "envConfigMaps", "envSecrets", "nodeSelector", "affinity",
        "tolerations", "annotations", "labels", "livenessProbe", "startupProbe", "volumes", "volumeMounts", "schedulerName"}  # fmt: skip
CHART = {
    "global": {"postgresqlSecretName", "dagsterHome", "serviceAccountName", "celeryConfigSecretName", "dagsterInstanceConfigMap"},
    "postgresql": {"enabled", "image", "postgresqlHost", "postgresqlUsername", "postgresqlPassword", "postgresqlDatabase", "postgresqlParams", "postgresqlScheme", "service"},
    "dagsterWebserver": _POD | {"replicaCount", "image", "nameOverride", "service", "workspace", "deploymentLabels", "readinessProbe", "enableReadOnly", "pathPrefix", "logLevel", "dbStatementTimeout", "dbPoolRecycle"},
    "dagsterDaemon": _POD | {"enabled", "image", "runCoordinator", "heartbeatTolerance", "deploymentLabels", "readinessProbe", "runMonitoring", "runRetries", "sensors", "schedules"},
    "dagster-user-deployments": {"enabled", "enableSubchart", "imagePullSecrets", "deployments"},
    "runLauncher": {"type", "config"},
    "computeLogManager": {"type", "config"},
    "pythonLogs": {"pythonLogLevel", "managedPythonLoggers", "dagsterHandlerConfig"},
    "retention": {"enabled", "sensor", "schedule", "autoMaterialize"},
    "migrate": {"enabled", "extraContainers", "initContainers"},
    "telemetry": {"enabled"},
    "rabbitmq": {"enabled", "image", "rabbitmq", "service", "volumePermissions"},
    "redis": {"enabled", "internal", "usePassword", "password", "host", "port", "brokerDbNumber", "backendDbNumber", "brokerUrl", "backendUrl"},
    "flower": _POD | {"enabled", "image", "service"},
    "additionalInstanceConfig": {"concurrency"},
}  # fmt: skip
DEPLOYMENT = _POD | {"name", "image", "port", "dagsterApiGrpcArgs", "codeServerArgs", "includeConfigInLaunchedRuns", "readinessProbe"}  # fmt: skip
COORDINATOR = {"maxConcurrentRuns", "tagConcurrencyLimits", "dequeueIntervalSeconds", "dequeueNumWorkers", "dequeueUseThreads"}  # fmt: skip


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    return yaml.safe_load(VALUES.read_text())


@pytest.fixture(scope="module")
def instance() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "dagster.yaml").read_text())


def test_the_chart_knows_every_key(values: dict[str, Any]) -> None:
    flags = {"generatePostgresqlPasswordSecret", "generateCeleryConfigSecret"}
    assert set(values) <= set(CHART) | flags
    unknown = {part: set(found) - CHART[part] for part, found in values.items() if part not in flags}
    assert {part: keys for part, keys in unknown.items() if keys} == {}
    for deployment in values["dagster-user-deployments"]["deployments"]:
        assert set(deployment) <= DEPLOYMENT
    assert set(values["dagsterDaemon"]["runCoordinator"]["config"]["queuedRunCoordinator"]) <= COORDINATOR
    assert set(values["retention"]["sensor"]["purgeAfterDays"]) == {"skipped", "success", "failure", "started"}


def test_dagster_accepts_the_instance_that_the_chart_would_write(values: dict[str, Any]) -> None:
    launcher = values["runLauncher"]
    assert launcher["type"] == "CustomRunLauncher"
    written = {"run_launcher": launcher["config"]["customRunLauncher"], **values["additionalInstanceConfig"]}
    checked = process_config(dagster_instance_config_schema(), written)
    assert checked.success, checked.errors


def test_runs_go_to_the_same_launcher_as_in_compose(values: dict[str, Any]) -> None:
    compose = yaml.safe_load((ROOT / "deploy" / "dagster.celery.yaml").read_text())["run_launcher"]
    custom = values["runLauncher"]["config"]["customRunLauncher"]
    assert {**compose, "config": compose.get("config", {})} == custom


def test_it_says_the_same_as_dagster_yaml(values: dict[str, Any], instance: dict[str, Any]) -> None:
    daemon = values["dagsterDaemon"]
    assert values["additionalInstanceConfig"]["concurrency"]["pools"] == instance["concurrency"]["pools"]
    queue = daemon["runCoordinator"]["config"]["queuedRunCoordinator"]
    assert queue["maxConcurrentRuns"] == instance["concurrency"]["runs"]["max_concurrent_runs"]
    assert queue["dequeueIntervalSeconds"] == instance["run_queue"]["dequeue_interval_seconds"]
    monitoring = instance["run_monitoring"]
    assert daemon["runMonitoring"]["startTimeoutSeconds"] == monitoring["start_timeout_seconds"]
    assert daemon["runMonitoring"]["cancelTimeoutSeconds"] == monitoring["cancel_timeout_seconds"]
    assert daemon["runMonitoring"]["pollIntervalSeconds"] == monitoring["poll_interval_seconds"]
    assert values["pythonLogs"]["managedPythonLoggers"] == instance["python_logs"]["managed_python_loggers"]
    kept = values["retention"]["sensor"]["purgeAfterDays"]
    assert {name: kept[name] for name in ("skipped", "failure", "success")} == instance["retention"]["sensor"]["purge_after_days"]  # fmt: skip
    assert values["postgresql"]["postgresqlScheme"] == "postgresql+psycopg2"


def test_images_versions_and_places_agree(values: dict[str, Any]) -> None:
    parts = [values["dagsterWebserver"], values["dagsterDaemon"], *values["dagster-user-deployments"]["deployments"]]
    assert {f"{part['image']['repository']}:{part['image']['tag']}" for part in parts} == {f"xbot:{__version__}"}
    assert {container["image"] for container in containers().values()} == {f"xbot:{__version__}"}
    pinned = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("dagster=="))
    assert pinned.split("==")[1] in VALUES.read_text().splitlines()[0]
    homes = [rest for name, rest in instructions() if name == "ENV" and "DAGSTER_HOME" in rest]
    assert f"DAGSTER_HOME={values['global']['dagsterHome']}" in homes[0]


def test_nothing_runs_as_root_and_no_secret_is_written_down(values: dict[str, Any]) -> None:
    for manifest in manifests():
        pod = manifest["spec"].get("template", {}).get("spec")
        assert pod is None or pod["securityContext"]["runAsNonRoot"]
    assert values["dagsterDaemon"]["podSecurityContext"]["runAsNonRoot"]
    assert "postgresqlPassword" not in values["postgresql"]
    assert not any(manifest["kind"] == "Secret" for manifest in manifests())
    assert not any(manifest["kind"] == "Ingress" for manifest in manifests())


def test_pods_run_what_compose_runs() -> None:
    named = {name: container["command"] for name, container in containers().items()}
    assert named == {name: ours()[name]["command"] for name in named}
    assert set(named) == {"init", "api", "worker", "trainer"}
