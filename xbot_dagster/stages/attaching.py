"""A person attaches a picture to a decision that waits: checked, copied into the home, listed with its alternative text."""

import hashlib
import os
from pathlib import Path

from sqlalchemy import Engine

from xbot_dagster.domain.publishing import pictures
from xbot_dagster.errors import Conflict, NotFound, UsageError
from xbot_dagster.settings import Settings
from xbot_dagster.store import audit, media
from xbot_dagster.store.media import Attached


def run(
    engine: Engine, settings: Settings, folder: Path, decision_id: str, file: Path, alt_text: str, part: int = 1
) -> Attached:
    """Attach `file` to part `part` (1 is the first) and keep a copy of it in `folder`.

    Raises UsageError for a file or text that X would not take and where the publisher takes no pictures at all, NotFound
    when no such decision waits, Conflict when the part is full."""
    if settings.publisher not in ("x_api", "shadow"):
        raise UsageError(
            f"PUBLISHER={settings.publisher} attaches no pictures.", "Pictures go out through PUBLISHER=x_api alone."
        )
    try:
        # One byte more than allowed is enough to see that it is too much.
        with file.open("rb") as stream:
            content = stream.read(pictures.MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from None
    wrong = pictures.complaint(content, alt_text)
    if wrong:
        raise UsageError(f"{file.name} cannot be attached: {wrong}.")
    picture = Attached(f"{hashlib.sha256(content).hexdigest()}.{pictures.ending_of(content)}", alt_text.strip())
    with engine.begin() as conn:
        waiting = media.open_decision(conn, decision_id)
        if waiting is None:
            raise NotFound(f"No waiting decision has the id {decision_id}.", "List them with: xbot queue list")
        if not 1 <= part <= waiting.parts:
            raise UsageError(f"The decision has {waiting.parts} part(s), no part {part}.")
        _keep(folder / picture.file, content)
        if not media.attach(conn, decision_id, part - 1, picture, pictures.MAX_PER_POST):
            raise Conflict(f"A post carries at most {pictures.MAX_PER_POST} pictures, and this one has them.")
        audit.record(
            conn, "PICTURE_ATTACHED", "queue", {"decision_id": decision_id, "part": part, "file": picture.file}
        )
    return picture


def _keep(path: Path, content: bytes) -> None:
    """Store the picture under its checksum, in one step."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
    os.replace(draft, path)
