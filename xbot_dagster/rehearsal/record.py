"""What a home remembers of its rehearsal: how far it came, written in one step so that a kill leaves a whole one."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from xbot_dagster.errors import HomeError

_FILE = "rehearsal.json"


@dataclass(frozen=True)
class Record:
    """What a home remembers of its rehearsal. Times are ISO 8601, UTC; `finished` once its summary is written."""

    seed: int
    days: int
    start: str
    until: str
    reached: str
    finished: bool
    seconds: float
    peak_rss_mb: float


def record_of(home: Path) -> Record | None:
    """The home's rehearsal, or None when there was none."""
    try:
        return Record(**json.loads((home / _FILE).read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        raise HomeError(
            f"{home / 'rehearsal.json'} cannot be read.", "Start again with: xbot rehearse --fresh"
        ) from None


def save(home: Path, record: Record) -> None:
    """Replace the home's record."""
    draft = home / "rehearsal.tmp"
    draft.write_text(json.dumps(asdict(record)))
    os.replace(draft, home / _FILE)
