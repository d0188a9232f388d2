"""compose.yaml: valid by the published schema, closed to the outside, healthy by its own checks, without a secret in it."""

import re
from pathlib import Path

import pytest

from tests.deploy_files import COMPOSE, DEPLOY, ROOT, instructions, ours, services, tool
from xbot_dagster import __version__
from xbot_dagster.settings import Settings


def test_it_follows_the_compose_specification() -> None:
    assert tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)) == ""


def test_the_schema_would_say_so(tmp_path: Path) -> None:
    bad = tmp_path / "compose.yaml"
    bad.write_text(COMPOSE.read_text().replace("healthcheck:", "healthchek:", 1))
    assert "healthchek" in tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(bad))


def test_every_part_of_a_deployment_is_there() -> None:
    assert set(services()) == {"postgres", "valkey", "init", "webserver", "daemon", "api", "worker", "trainer"}


@pytest.mark.parametrize("name", [name for name in services() if name != "init"])
def test_whatever_runs_for_long_has_a_health_check_and_comes_back(name: str) -> None:
    assert services()[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert services()[name]["restart"] == "unless-stopped"


def test_every_published_port_is_bound_to_loopback() -> None:
    ports = [port for service in services().values() for port in service.get("ports", [])]
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert all("network_mode" not in service for service in services().values())


@pytest.mark.parametrize("name", list(ours()))
def test_our_processes_have_no_privileges_and_wait_for_the_schema(name: str) -> None:
    service = ours()[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert name == "init" or service["depends_on"] == {"init": {"condition": "service_completed_successfully"}}
    assert "user" not in service, "the image's own user, who is not root"


def test_passwords_come_from_the_environment_file() -> None:
    values = {
        (name, key): value for name, service in services().items() for key, value in service.get("environment", {}).items()
    }  # fmt: skip
    addresses = {place: value for place, value in values.items() if place[1].startswith(("DATABASE", "DAGSTER"))}
    assert len(addresses) >= 15
    assert [place for place, value in addresses.items() if ":${POSTGRES_PASSWORD" not in value] == []
    secret = re.compile("PASSWORD|TOKEN|SECRET|KEY")
    assert [place for place, value in values.items() if secret.search(place[1]) and not value.startswith("${")] == []
    assert all(service["env_file"] == ".env" for service in ours().values())


def test_the_example_names_only_flags_that_are_read_and_holds_no_value_of_a_secret() -> None:
    lines = [line for line in (DEPLOY / ".env.example").read_text().splitlines() if line and not line.startswith("#")]
    values = dict(line.split("=", 1) for line in lines)
    assert set(values) - {"POSTGRES_PASSWORD"} <= set(Settings.model_fields)
    assert [name for name in ("POSTGRES_PASSWORD", "ADMIN_TOKEN", "OPENAI_API_KEY") if values[name]] == []
    used = set(re.findall(r"\$\{(\w+):\?", COMPOSE.read_text()))
    assert used <= set(values), "what compose.yaml insists on is in the example"


def test_the_image_is_this_version_and_its_databases_are_made() -> None:
    assert {service["image"] for service in ours().values()} == {f"xbot:${{XBOT_TAG:-{__version__}}}"}
    mount = next(volume for volume in services()["postgres"]["volumes"] if volume.startswith("./"))
    script = DEPLOY / mount.split(":")[0]
    assert "CREATE DATABASE dagster" in script.read_text()
    addresses = ours()["api"]["environment"]
    assert addresses["DATABASE_URL"].endswith("/xbot")
    assert addresses["DAGSTER_DATABASE_URL"].endswith("/dagster")
    assert addresses["DAGSTER_PG_URL"].startswith("postgresql+psycopg2://")


def test_the_home_is_the_volume_and_the_workspace_lies_where_the_commands_run() -> None:
    places = dict(re.findall(r"(\w+)=(\S+)", " ".join(rest for name, rest in instructions() if name == "ENV")))
    assert all(service["volumes"] == [f"home:{places['XBOT_HOME']}"] for service in ours().values())
    workdir = [rest for name, rest in instructions() if name == "WORKDIR"][-1]
    assert workdir == places["DAGSTER_HOME"]
    assert (ROOT / "workspace.yaml").exists()
