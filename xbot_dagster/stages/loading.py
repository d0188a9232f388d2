"""Loading sources and voices from files into rows: the bundled list, a person's YAML, OPML or directory of feeds, or one address.

All or nothing: everything is read and checked before the first row is written.
"""

from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection

from xbot_dagster.domain.content import sources as content
from xbot_dagster.domain.content.sources import SourceSpec
from xbot_dagster.domain.learning.arms import arms_of
from xbot_dagster.errors import SourceError
from xbot_dagster.settings import Settings
from xbot_dagster.store import deployment
from xbot_dagster.store import sources as store

LARGEST_LIST_BYTES: Final = 2_000_000
VOICE_FILE: Final = "voice.yaml"
VOICE_KEYS: Final = ("tone", "language", "hashtags", "banned_phrases", "examples", "arms")
_FEED_FILES: Final = (".xml", ".rss", ".atom")
_YAML_FILES: Final = (".yaml", ".yml")


def bundled_sources() -> Path:
    """The sources file that ships with the sandbox."""
    return Path(str(files("xbot_dagster.sandbox").joinpath("content", "sources.yaml")))


def load_sources(conn: Connection, path_or_url: Path | str, account: str, *, sandbox: bool = False) -> list[SourceSpec]:
    """Write the sources that a YAML file, an OPML file, a directory of them (and of feeds) or one feed's address names.

    `sandbox`: the bundled feeds are read from the sandbox's world, which shows them item by item as simulated time passes.
    Raises SourceError with one sentence; then nothing was written.
    """
    specs = read_specs(path_or_url, sandbox)
    beside = voice_beside(path_or_url)
    store.save_specs(conn, account, specs)
    if beside is not None and not deployment.account(conn, account).voice:
        deployment.change_account(conn, account, {"voice": beside})
    return specs


def install_sources(conn: Connection, settings: Settings, account: str) -> list[SourceSpec]:
    """What a deployment is set up with: the sources XBOT_SOURCES names; in the sandbox, without any, the bundled ones.

    Repeatable: a changed list is taken up, and what people switched stays. Raises SourceError.
    """
    sandbox = settings.family == "sandbox"
    if settings.XBOT_SOURCES:
        return load_sources(conn, settings.XBOT_SOURCES, account, sandbox=sandbox)
    if sandbox and not store.sources(conn):
        return load_sources(conn, bundled_sources(), account, sandbox=True)
    return []


def read_voice(path: Path) -> dict[str, Any]:
    """A voice file, checked: `tone`, `language`, `hashtags`, `banned_phrases`, `examples`, `arms`. Raises SourceError, UserError."""
    import yaml

    try:
        record = yaml.safe_load(_bytes(path).decode("utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} is not valid YAML: {getattr(error, 'problem', None) or 'unreadable'}.") from None
    if not isinstance(record, dict):
        raise SourceError(f"{path} is not a mapping of tone, language, hashtags, banned_phrases, examples and arms.")
    unknown = sorted(set(record) - set(VOICE_KEYS))
    lists = [key for key in VOICE_KEYS if key not in ("tone", "language") and not _is_text_list(record.get(key, []))]
    words = [key for key in ("tone", "language") if not isinstance(record.get(key, ""), str)]
    if unknown:
        raise SourceError(f"{path} has the unknown entry '{unknown[0]}'.", f"Known: {', '.join(VOICE_KEYS)}.")
    if lists or words:
        raise SourceError(f"'{(lists + words)[0]}' in {path} must be {'a list of texts' if lists else 'a text'}.")
    arms_of(record)
    return record


def voice_beside(path_or_url: Path | str) -> dict[str, Any] | None:
    """The voice file in the directory of a sources list, or None."""
    if str(path_or_url).startswith(("http://", "https://")):
        return None
    path = Path(path_or_url).expanduser()
    beside = (path if path.is_dir() else path.parent) / VOICE_FILE
    return read_voice(beside) if beside.is_file() else None


def _is_text_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def read_specs(path_or_url: Path | str, sandbox: bool = False) -> list[SourceSpec]:
    """The sources a path or address names, checked."""
    if str(path_or_url).startswith(("http://", "https://")):
        address = str(path_or_url)
        return [SourceSpec(content.slug(address.split("://", 1)[1]) or "feed", "feed", {"url": address})]
    path = Path(path_or_url).expanduser()
    if path.is_dir():
        return _directory(path)
    if not path.exists():
        raise SourceError(
            f"{path} does not exist.", "Give a sources.yaml, an OPML file, a directory or a feed's address."
        )
    specs = _file(path)
    bundled = path.resolve() == bundled_sources().resolve()
    return [_placed(spec, path.parent, sandbox and bundled) for spec in specs]


def _file(path: Path) -> list[SourceSpec]:
    suffix = path.suffix.lower()
    data = _bytes(path)
    if suffix in _YAML_FILES:
        try:
            return content.parse_sources(data.decode("utf-8-sig"), str(path))
        except UnicodeDecodeError:
            raise SourceError(f"{path} is not UTF-8 text.") from None
    if suffix == ".opml":
        return content.parse_opml(data, str(path))
    if suffix in _FEED_FILES:
        if b"<opml" in data[:2000]:
            return content.parse_opml(data, str(path))
        name = content.slug(path.stem) or "feed"
        content.parse_feed(data, name, {})
        return [SourceSpec(name, "feed", {"url": path.name})]
    raise SourceError(f"{path} is neither YAML (.yaml), OPML (.opml) nor a feed (.xml, .rss, .atom).")


def _directory(folder: Path) -> list[SourceSpec]:
    """Every YAML and OPML list of a directory, and every feed file in it that no list names."""
    entries = sorted(entry for entry in folder.iterdir() if entry.is_file() and entry.name != VOICE_FILE)
    lists = [entry for entry in entries if entry.suffix.lower() in (*_YAML_FILES, ".opml")]
    specs = [_placed(spec, folder, False) for entry in lists for spec in _file(entry)]
    named = {Path(spec.config["path"]).name for spec in specs if "path" in spec.config}
    feeds = [entry for entry in entries if entry.suffix.lower() in _FEED_FILES and entry.name not in named]
    specs += [_placed(spec, folder, False) for entry in feeds for spec in _file(entry)]
    if not specs:
        raise SourceError(f"{folder} holds no sources.yaml, OPML file or feed.")
    names = [spec.source for spec in specs]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise SourceError(f"{folder} names the source '{doubled[0]}' twice.")
    return specs


def _placed(spec: SourceSpec, folder: Path, served: bool) -> SourceSpec:
    """The spec with its feed's place made absolute: an address stays, a file beside the list becomes a path.

    `served`: it becomes `sandbox:NAME`, because the world that serves it has another port each time it starts.
    """
    address = spec.config.get("url")
    if spec.kind != "feed" or not isinstance(address, str) or address.startswith(("http://", "https://")):
        return spec
    rest = {key: value for key, value in spec.config.items() if key != "url"}
    if served:
        place = f"{content.SANDBOX_FEED}{Path(address).name}"
        return SourceSpec(spec.source, "feed", {**rest, "url": place}, spec.weight, spec.enabled)
    place = (folder / address).resolve()
    if not place.is_file():
        raise SourceError(
            f"The feed '{spec.source}' names {address}, which is neither a web address nor a file in {folder}."
        )
    content.parse_feed(_bytes(place), spec.source, rest)
    return SourceSpec(spec.source, "feed", {**rest, "path": str(place)}, spec.weight, spec.enabled)


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_LIST_BYTES and path.suffix.lower() not in _FEED_FILES:
            raise SourceError(f"{path} is larger than {LARGEST_LIST_BYTES // 1_000_000} MB.")
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from None
