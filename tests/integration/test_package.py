"""The wheel: everything the program needs is inside, and it works from another folder without the checkout."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import pytest

from xbot_dagster import __version__
from xbot_dagster.embedded import services
from xbot_dagster.embedded.home import Home

ROOT = Path(__file__).parents[2]


def pip(*words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", *words, "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(target), str(ROOT))
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("installed")
    pip("install", "--target", str(target), str(wheel))
    return target


def test_it_is_named_after_the_version(wheel: Path) -> None:
    assert wheel.name == f"xbot_dagster-{__version__}-py3-none-any.whl"
    assert [part.isdigit() for part in __version__.split(".")] == [True] * 3


def test_it_holds_every_file_of_the_package_and_the_migrations(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    package = {
        str(path.relative_to(ROOT)) for path in (ROOT / "xbot_dagster").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }  # fmt: skip
    assert package - inside == set()
    chain = {f"xbot_dagster/migrations/{path.name}" for path in (ROOT / "sql" / "migrations").glob("*.sql")}
    assert chain
    assert chain - inside == set()
    for needed in ("llm/prompts/post.v2.md", "sandbox/content/sources.yaml", "sandbox/replica/static/style.css", "deploy/dagster.yaml", "deploy/workspace.yaml"):  # fmt: skip
        assert f"xbot_dagster/{needed}" in inside


def test_it_offers_the_documented_extras_and_keeps_their_libraries_out_of_the_core(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    described = Parser().parsestr(archive.read(name).decode())
    assert set(described.get_all("Provides-Extra", [])) == {"api-x", "bench", "celery", "dev"}
    core = [line for line in described.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert [line for line in core if line.startswith(("tweepy", "celery", "mabwiser", "pytest"))] == []


class Elsewhere:
    """Runs the installed `xbot` in a folder that is not the checkout."""

    def __init__(self, installed: Path, folder: Path) -> None:
        self.program, self.folder, self.home = installed / "bin" / "xbot", folder, folder / "h"
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")}
        self.environment = kept | {"PYTHONPATH": str(installed), "XBOT_HOME": str(self.home), "PUBLISHER": "recorded"}

    def run(self, *words: str) -> str:
        command = [sys.executable, str(self.program), *words]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout


@pytest.fixture
def elsewhere(installed: Path, tmp_path: Path) -> Iterator[Elsewhere]:
    found = Elsewhere(installed, tmp_path)
    yield found
    if found.home.exists():
        with Home(found.home).locked():
            services.stop_all(Home(found.home))


def test_it_works_from_another_folder(elsewhere: Elsewhere, installed: Path) -> None:
    where = subprocess.run(
        [sys.executable, "-c", "import xbot_dagster; print(xbot_dagster.__file__)"],
        cwd=elsewhere.folder, env=elsewhere.environment, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert where.startswith(str(installed))
    assert elsewhere.run("--version") == f"xbot {__version__}\n"
    assert "family sandbox" in elsewhere.run("init")
    assert "missing" not in elsewhere.run("migrate", "status")
    assert "candidates" in elsewhere.run("candidates", "refresh").lower()
    assert (elsewhere.home / "dagster" / "dagster.yaml").read_text() == (ROOT / "dagster.yaml").read_text()
