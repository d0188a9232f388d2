"""Sources as data: what a sources file, an OPML list, a feed or a topic bank says, as typed items.

Bytes and strings come in (the caller reads files and fetches), items and specs go out. Everything a feed says is quoted
data: it is stripped of markup and invisible characters here, and judged again by the gates.
"""

import html
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from xbot_dagster.domain.content.text import fold, without_invisible
from xbot_dagster.errors import SourceError

SANDBOX_FEED: Final = "sandbox:"  # a feed's `url` that names one of the sandbox's own feeds
KINDS: Final = ("feed", "topic_bank", "evergreen", "manual")
TITLE_LIMIT: Final = 200  # characters; enough for a headline, short enough for a prompt
ANGLE_LIMIT: Final = 400
_NAME: Final = re.compile(r"^[a-z0-9][a-z0-9_.-]{0,59}$")
_TAG: Final = re.compile(r"<[^>]*>")
_SCRIPT: Final = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|$)", re.IGNORECASE | re.DOTALL)
_INSTRUCTION: Final = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:previous|above|prior|earlier|all|your|system)\b.{0,40}"
    r"\b(?:instructions?|prompts?|rules?|messages?|guidelines?)\b"
    r"|\b(?:system|developer) prompt\b|\byou are (?:now )?(?:a |an )?(?:chatgpt|gpt|language model|assistant|ai model)\b"
    r"|\b(?:reveal|print|repeat|leak)\b.{0,30}\b(?:system )?(?:prompt|instructions|api key)\b"
    r"|<\|im_(?:start|end)\|>|\[/?INST\]|\bas an ai (?:language )?model\b",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class SourceSpec:
    """One source as configured. `config` by kind: feed `url` or `path`, `topic`, `topics`, `max_age_hours`; topic_bank
    `topics`; evergreen `items`, `cooldown_days`; manual nothing."""

    source: str
    kind: str
    config: dict[str, Any] = field(default_factory=dict)
    weight: float = 1.0
    enabled: bool = True


@dataclass(frozen=True)
class Item:
    """One thing to write about. `published_at` is aware UTC or None; `suspicious` says why it must not reach a prompt."""

    topic: str
    title: str
    angle: str = ""
    url: str | None = None
    published_at: datetime | None = None
    suspicious: str | None = None


def parse_sources(text: str, where: str) -> list[SourceSpec]:
    """The specs of a `sources.yaml`: a mapping with a list `sources`. Raises SourceError with one sentence, naming `where`."""
    import yaml

    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        raise SourceError(
            f"{where} is not valid YAML{line}: {getattr(error, 'problem', None) or 'unreadable'}."
        ) from None
    if not isinstance(document, Mapping) or not isinstance(document.get("sources"), list):
        raise SourceError(f"{where} must hold a list named 'sources'.", "See the bundled sources.yaml for the form.")
    specs = [_spec(entry, index, where) for index, entry in enumerate(document["sources"])]
    doubled = {spec.source for spec in specs if sum(other.source == spec.source for other in specs) > 1}
    if doubled:
        raise SourceError(f"{where} names the source '{sorted(doubled)[0]}' twice.")
    if not specs:
        raise SourceError(f"{where} lists no source.")
    return specs


def _spec(entry: object, index: int, where: str) -> SourceSpec:
    if not isinstance(entry, Mapping):
        raise SourceError(f"{where}: entry {index + 1} of 'sources' is not a mapping.")
    name = entry.get("name")
    if not isinstance(name, str) or not _NAME.match(name):
        raise SourceError(
            f"{where}: source {index + 1} needs a 'name' of lower-case letters, digits, '-', '_' or '.', got {name!r}."
        )
    kind = entry.get("kind", "feed")
    if kind not in KINDS:
        raise SourceError(f"{where}: source '{name}' has the unknown kind {kind!r}.", f"Known: {', '.join(KINDS)}.")
    weight = entry.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 100:
        raise SourceError(f"{where}: the weight of source '{name}' must be a number from 0 to 100, got {weight!r}.")
    enabled = entry.get("enabled", True)
    if not isinstance(enabled, bool):
        raise SourceError(f"{where}: 'enabled' of source '{name}' must be true or false, got {enabled!r}.")
    config = {str(key): value for key, value in entry.items() if key not in ("name", "kind", "weight", "enabled")}
    _check_config(name, kind, config, where)
    return SourceSpec(name, kind, config, float(weight), enabled)


def _check_config(name: str, kind: str, config: Mapping[str, Any], where: str) -> None:
    if kind == "feed":
        address = config.get("url")
        if not isinstance(address, str) or not address.strip():
            raise SourceError(f"{where}: feed '{name}' needs a 'url' (https://… or a file beside the sources file).")
    if kind == "topic_bank":
        bank_items(config, f"{where}: topic bank '{name}'")
    if kind == "evergreen":
        evergreen_items(config, f"{where}: evergreen source '{name}'")
    for key in ("max_age_hours", "cooldown_days"):
        value = config.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value <= 0):
            raise SourceError(f"{where}: '{key}' of source '{name}' must be a positive number, got {value!r}.")


def parse_opml(data: bytes, where: str) -> list[SourceSpec]:
    """Every feed of an OPML subscription list. Raises SourceError."""
    from xml.etree import ElementTree

    if b"<!ENTITY" in data:
        raise SourceError(f"{where} declares XML entities, which a subscription list never needs; it was not read.")
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise SourceError(f"{where} is not valid OPML: {error}.") from None
    specs: dict[str, SourceSpec] = {}
    for outline in root.iter("outline"):
        url = outline.get("xmlUrl")
        if url:
            title = outline.get("title") or outline.get("text") or url
            name = _unused(slug(title), specs)
            topic = slug(outline.get("category", "").split(",")[0].strip("/ "))
            specs[name] = SourceSpec(name, "feed", {"url": url, **({"topic": topic} if topic else {})})
    if not specs:
        raise SourceError(f"{where} lists no feed.")
    return list(specs.values())


def slug(title: str) -> str:
    """A source or topic name made from a title: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:50]


def _unused(name: str, taken: Mapping[str, object]) -> str:
    name = name or "feed"
    candidates = [name, *(f"{name}-{n}" for n in range(2, len(taken) + 3))]
    return next(each for each in candidates if each not in taken)


def bank_items(config: Mapping[str, Any], where: str) -> list[Item]:
    """One item per (topic, angle) of a topic bank: `topics: [{topic, title?, angles: [...]}]`. Raises SourceError."""
    topics = config.get("topics")
    if not isinstance(topics, list) or not topics:
        raise SourceError(f"{where} needs a list 'topics'.")
    items = []
    for entry in topics:
        topic = entry.get("topic") if isinstance(entry, Mapping) else None
        angles = entry.get("angles") if isinstance(entry, Mapping) else None
        if not isinstance(topic, str) or not isinstance(angles, list) or not all(isinstance(a, str) for a in angles):
            raise SourceError(f"{where}: each topic needs a 'topic' and a list of 'angles', got {str(entry)[:60]!r}.")
        items += [
            Item(slug(topic), clean(entry.get("title") or angle, TITLE_LIMIT), clean(angle, ANGLE_LIMIT))
            for angle in angles
        ]
    return items


def evergreen_items(config: Mapping[str, Any], where: str) -> list[Item]:
    """The items of an evergreen source: `items: [{topic, title, angle?, url?}]`. Raises SourceError."""
    entries = config.get("items")
    if not isinstance(entries, list) or not entries:
        raise SourceError(f"{where} needs a list 'items'.")
    items = []
    for entry in entries:
        if (
            not isinstance(entry, Mapping)
            or not isinstance(entry.get("topic"), str)
            or not isinstance(entry.get("title"), str)
        ):
            raise SourceError(f"{where}: each item needs a 'topic' and a 'title', got {str(entry)[:60]!r}.")
        title, angle = clean(entry["title"], TITLE_LIMIT), clean(str(entry.get("angle", "")), ANGLE_LIMIT)
        items.append(Item(slug(entry["topic"]), title, angle, entry.get("url")))
    return items


def parse_feed(data: bytes, source: str, config: Mapping[str, Any]) -> list[Item]:
    """Items of an RSS or Atom document, newest as the feed orders them. Raises SourceError for anything that is not a feed."""
    import feedparser

    # A stream, never the bytes themselves: feedparser would take a string for an address or a file name.
    parsed = feedparser.parse(io.BytesIO(data), sanitize_html=True, resolve_relative_uris=False)
    if not parsed.get("version"):
        reason = getattr(parsed.get("bozo_exception"), "getMessage", lambda: "no RSS or Atom element found")()
        raise SourceError(f"Source '{source}' did not answer with a feed: {fold(str(reason))[:120]}.")
    items = []
    for entry in parsed.entries:
        title = clean(entry.get("title", ""), TITLE_LIMIT)
        summary = clean(entry.get("summary", ""), ANGLE_LIMIT)
        if title:
            topic = _topic(title, summary, [tag.get("term") or "" for tag in entry.get("tags", [])], source, config)
            items.append(
                Item(
                    topic,
                    title,
                    summary,
                    _web_link(entry.get("link")),
                    _instant(entry),
                    suspicion(f"{title}\n{summary}"),
                )
            )
    return items


def clean(raw: object, limit: int) -> str:
    """Plain text of a feed's field: no markup, no scripts, no invisible characters, one line, at most `limit` characters."""
    bare = _TAG.sub(" ", _SCRIPT.sub(" ", html.unescape(_TAG.sub(" ", _SCRIPT.sub(" ", str(raw))))))
    line = fold(without_invisible(bare))
    return line if len(line) <= limit else line[: limit - 1].rsplit(" ", 1)[0] + "…"


def suspicion(text: str) -> str | None:
    """Why a text looks like instructions to the writer, or None."""
    found = _INSTRUCTION.search(text)
    return f"looks like instructions to the writer: “{fold(found.group(0))[:60]}”" if found else None


def _topic(title: str, summary: str, tags: Sequence[str], source: str, config: Mapping[str, Any]) -> str:
    rules = config.get("topics")
    if isinstance(rules, Mapping):
        haystack = f"{title} {summary} {' '.join(tags)}".lower()
        counts = {
            str(topic): sum(haystack.count(str(word).lower()) for word in found or []) for topic, found in rules.items()
        }
        best = max(counts, key=lambda topic: counts[topic], default=None)
        if best is not None and counts[best]:
            return slug(best)
    configured = config.get("topic")
    if isinstance(configured, str) and configured.strip():
        return slug(configured)
    tagged = next((slug(tag) for tag in tags if slug(tag)), "")
    return tagged or slug(source)


def _web_link(link: object) -> str | None:
    return link if isinstance(link, str) and re.match(r"https?://[^\s<>\"]{1,1000}$", link) else None


def _instant(entry: dict[str, Any]) -> datetime | None:
    # feedparser's own look-up of "updated" falls back to "published" with a warning; a plain one does not.
    moment = entry.get("published_parsed") or dict.get(entry, "updated_parsed")
    if not moment:
        return None
    try:
        return datetime(*moment[:6], tzinfo=UTC)
    except ValueError:
        return None
