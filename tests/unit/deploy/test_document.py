"""docs/deploy.md: what cannot run here says so, and the files and commands it names exist."""

import re
import shlex
from typing import Any

from typer.main import get_command

from tests.deploy_files import DOCUMENT, ROOT, services
from xbot_dagster.cli.main import app

TEXT = DOCUMENT.read_text()
LINES = [line for body in re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL) for line in body.splitlines() if line]


def test_every_block_says_why_it_is_not_executed() -> None:
    fences = re.findall(r"(.*)\n```bash\n", TEXT)
    assert len(fences) == 2
    assert all(re.fullmatch(r"<!-- not executed: .{10,} -->", before) for before in fences)


def test_the_files_it_names_exist() -> None:
    named = set(re.findall(r"(?:deploy|tests|docs)/[\w./-]+\w", TEXT)) - {"deploy/.env"}
    assert len(named) >= 6
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_compose_commands_use_this_file_and_its_services() -> None:
    composed = [shlex.split(line) for line in LINES if line.startswith("docker compose")]
    assert len(composed) >= 4
    for words in composed:
        assert words[2:4] == ["-f", "deploy/compose.yaml"]
        if "exec" in words:
            assert words[words.index("exec") + 1] in services()


def test_the_xbot_commands_in_the_text_exist() -> None:
    known: Any = get_command(app)
    named = set(re.findall(r"`xbot (\w+)", TEXT)) | {words[-1] for words in map(shlex.split, LINES) if "xbot" in words and "exec" in words}  # fmt: skip
    assert {"init", "backup", "health"} <= named <= set(known.commands)
