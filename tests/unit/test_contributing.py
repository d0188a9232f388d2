"""CONTRIBUTING.md names files and names in them that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text()
# A path of the checkout, and after it in parentheses the names that the guide says are in there.
_PATH = r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:md|txt|example)|\.env\.example|\.ci/run)`"
_NAMED = re.compile(_PATH + r"\s+\(([^)]*)\)")


def test_every_path_exists() -> None:
    paths = re.findall(_PATH, GUIDE)
    assert len(paths) > 40
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_name_stands_in_the_file_it_is_said_to_stand_in() -> None:
    named = [(path, name) for path, words in _NAMED.findall(GUIDE) for name in re.findall(r"`(\w+)`", words)]
    assert {name for _, name in named} >= {"KINDS", "GATES", "ARMS", "STYLES", "PublisherName", "Publisher", "RULES"}
    assert [(path, name) for path, name in named if not re.search(rf"\b{name}\b", (ROOT / path).read_text())] == []


def test_it_has_a_section_for_each_thing_that_is_added_and_fits_on_a_page() -> None:
    headings = re.findall(r"^## Adding an? (.+)$", GUIDE, re.MULTILINE)
    assert headings == ["kind of source", "gate", "arm", "publisher", "alert"]
    assert len(GUIDE.splitlines()) <= 85
