"""The safety guard: what must never be posted, whatever its quality. Fails closed.

Rules (each a finding with a code): empty, too_long (X's weighted count), control and invisible characters, mixed scripts
inside a word, profanity, abuse, threat, pii, mention, url, hashtags, engagement_bait, instructions, refusal, moderation.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from xbot_dagster.domain.content import wordlists
from xbot_dagster.domain.content.sources import suspicion
from xbot_dagster.domain.content.text import control_characters, invisible_characters, scripts, skeleton
from xbot_dagster.domain.content.verdicts import Unavailable, Verdict
from xbot_dagster.domain.measuring.weighted_length import url_spans, weighted_length

MAX_WEIGHTED_LENGTH: Final = 280
PASSED, FAILED = 1.0, 0.0
THRESHOLD: Final = 1.0

_PROFANITY: Final = wordlists.any_word(wordlists.PROFANITY)
_ABUSE: Final = wordlists.any_word(wordlists.ABUSE)
_THREATS: Final = wordlists.any_word(wordlists.THREATS)
_MASKED: Final = re.compile(
    r"(?<![^\W_])[^\W_]+(?:[*@$!][^\W_]+)+(?![^\W_])|(?<![^\W_])(?=\w*\d)(?=\w*[^\W\d_])\w{3,}(?![^\W_])"
)
_BAIT: Final = wordlists.any_of(wordlists.ENGAGEMENT_BAIT)
_REFUSAL: Final = wordlists.any_of(wordlists.REFUSALS + wordlists.CHATTER)
_WIDE: Final = re.compile("[^\u0000-\u10ff\u2000-\u200d\u2010-\u201f\u2032-\u2037]")
_MENTION: Final = re.compile(r"(?<![\w/])[@＠](\w{1,15})\b")
_HASHTAG: Final = re.compile(r"(?<![\w&/])[#＃](\w*[^\W\d]\w*)")
_MAYBE_LINK: Final = re.compile(r"[^\W_]\.[^\W\d_]{2}|://")
_EMAIL: Final = re.compile(r"(?<![\w.])[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")
_PHONE: Final = re.compile(
    r"(?<![\w.,/-])(?:\(\d{2,4}\)[\s.-]?\d{2,4}[\s.-]?\d{2,4}|\d{2,4}(?:[\s.-]\d{2,4}){2,3})(?![\w/-])"
    r"|(?<!\w)\+\d{1,3}(?:[\s.-]?\(?\d{2,8}\)?){1,4}(?!\w)"
)
# Numbers that look like telephone numbers: years and dates (2019-2024, 2026-11-08, 08.11.2026), thousands (10.000.000).
_NO_PHONE: Final = re.compile(
    r"(?:19|20)\d\d(?:[\s.-](?:19|20)?\d\d){1,3}$|\d{1,2}[\s.-]\d{1,2}[\s.-](?:19|20)\d\d$|\d{1,3}(?:[\s.]\d{3})+$"
)
_CARD: Final = re.compile(r"(?<![\w.])\d(?:[ -]?\d){12,18}(?![\w.])")
_IBAN: Final = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")
_SSN: Final = re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")


@dataclass(frozen=True)
class SafetyConfig:
    """What an account may post. `url_policy` is block (default: a link also costs 13 times as much at X's API), domains
    (only `domains`) or allow. `hashtags_allowed` empty means: none is refused by name. Handles without @, lower case."""

    max_weighted_length: int = MAX_WEIGHTED_LENGTH
    max_hashtags: int = 3
    hashtags_allowed: tuple[str, ...] = ()
    mentions_allowed: tuple[str, ...] = ()
    url_policy: str = "block"
    domains: tuple[str, ...] = ()
    banned_phrases: tuple[str, ...] = ()

    def to_record(self) -> dict[str, Any]:
        """JSON-able form for `xbot safety config`, with the size of each word list."""
        lists = {
            "profanity": len(wordlists.PROFANITY),
            "abuse": len(wordlists.ABUSE),
            "threats": len(wordlists.THREATS),
        }
        return {**asdict(self), "word_lists": lists, "engagement_bait_rules": len(wordlists.ENGAGEMENT_BAIT)}


@dataclass(frozen=True)
class Finding:
    code: str
    detail: str


def findings(text: str, config: SafetyConfig, *, reply_to: str | None = None) -> list[Finding]:
    """Everything wrong with one post. `reply_to`: the handle being answered, who may be mentioned."""
    if not text.strip():
        return [Finding("empty", "there is no text")]
    found = [*_form(text, config), *_words(text, config)]
    found += _addresses(text, config, reply_to)
    found += _private(text)
    return found


def check_batch(texts: Sequence[str], config: SafetyConfig) -> list[list[Finding]]:
    """`findings` of many texts, in order."""
    return [findings(text, config) for text in texts]


def judge(
    parts: Sequence[str],
    config: SafetyConfig,
    *,
    reply_to: str | None = None,
    moderation: str | Unavailable | None = None,
) -> Verdict:
    """The gate's verdict on a post or thread. `moderation`: why a moderation service refused it, or could not be asked."""
    if not parts:
        return Verdict("safety", "block", FAILED, THRESHOLD, "empty: there is no text")
    found = [(n, finding) for n, part in enumerate(parts) for finding in findings(part, config, reply_to=reply_to)]
    if isinstance(moderation, str):
        found.append((0, Finding("moderation", moderation)))
    if found:
        prefix = (lambda n: f"part {n + 1}: ") if len(parts) > 1 else (lambda _: "")
        reason = "; ".join(f"{prefix(n)}{finding.code}: {finding.detail}" for n, finding in found)
        return Verdict("safety", "block", FAILED, THRESHOLD, reason[:500])
    if isinstance(moderation, Unavailable):
        return Verdict("safety", "error", None, THRESHOLD, f"not moderated: {moderation.reason}")
    return Verdict("safety", "pass", PASSED, THRESHOLD)


def links(text: str) -> list[str]:
    """Every link X would draw, also bare domains such as example.com."""
    return [text[start:end] for start, end in url_spans(text)] if _MAYBE_LINK.search(text) else []


def mentions(text: str) -> list[str]:
    """Every @handle, without the @, lower case."""
    return [handle.lower() for handle in _MENTION.findall(text)]


def hashtags(text: str) -> list[str]:
    """Every #tag, without the #, lower case."""
    return [tag.lower() for tag in _HASHTAG.findall(text)]


def _form(text: str, config: SafetyConfig) -> Iterable[Finding]:
    # No character weighs more than 2 and no link more than its 23, so most texts need no exact (slow) count.
    bound = len(text) if text.isascii() else len(text) + len(_WIDE.findall(text))
    certain = bound <= config.max_weighted_length and not _MAYBE_LINK.search(text)
    length = bound if certain else weighted_length(text)
    if length > config.max_weighted_length:
        yield Finding("too_long", f"{length} weighted characters, {config.max_weighted_length} allowed")
    if controls := control_characters(text):
        yield Finding("control_characters", f"{controls} control characters")
    if hidden := invisible_characters(text):
        yield Finding("invisible_characters", f"{hidden} characters that cannot be seen")
    if not text.isascii():
        mixed = [
            word
            for word in re.findall(r"[^\W\d_]{3,}", text)
            if {"LATIN"} < scripts(word) & {"LATIN", "CYRILLIC", "GREEK", "FULLWIDTH", "MATHEMATICAL"}
        ]
        if mixed:
            yield Finding("mixed_scripts", f"look-alike letters inside the word {mixed[0]!r}")


def _words(text: str, config: SafetyConfig) -> Iterable[Finding]:
    plain = skeleton(text).replace("’", "'")
    unmasked = _MASKED.sub(lambda match: _unmask(match.group()), plain)
    for code, pattern in (("profanity", _PROFANITY), ("abuse", _ABUSE), ("threat", _THREATS)):
        if match := pattern.search(plain) or pattern.search(unmasked):
            yield Finding(
                code,
                f"contains “{match.group()[:1]}…{match.group()[-1:]}”"
                if code != "threat"
                else "threatens or wishes harm",
            )
    if match := _BAIT.search(plain):
        yield Finding("engagement_bait", f"asks for engagement: “{match.group()[:40]}”")
    if match := _REFUSAL.search(plain):
        yield Finding("refusal", f"speaks about being written: “{match.group()[:40]}”")
    if reason := suspicion(plain):
        yield Finding("instructions", reason)
    for phrase in config.banned_phrases:
        if phrase and phrase.casefold() in plain:
            yield Finding("banned_phrase", f"the voice file bans “{phrase}”")


def _unmask(word: str) -> str:
    letters = "".join(wordlists.STAND_INS.get(ch, ch) for ch in word)
    # A star hides any vowel; u covers the words worth hiding.
    return letters.replace("*", "u") if "*" in letters else letters


def _addresses(text: str, config: SafetyConfig, reply_to: str | None) -> Iterable[Finding]:
    if "@" in text or "＠" in text:
        known = {*config.mentions_allowed, *([reply_to.lower()] if reply_to else [])}
        strangers = [handle for handle in mentions(text) if handle not in known]
        if strangers:
            yield Finding("mention", f"mentions @{strangers[0]}, who did not ask for it")
    found = links(text)
    if found and config.url_policy != "allow":
        refused = [link for link in found if config.url_policy == "block" or _host(link) not in config.domains]
        if refused:
            yield Finding("url", f"links to {refused[0][:60]} (policy: {config.url_policy})")
    tags = hashtags(text) if "#" in text or "＃" in text else []
    if len(tags) > config.max_hashtags:
        yield Finding("hashtags", f"{len(tags)} hashtags, {config.max_hashtags} allowed")
    unknown = [tag for tag in tags if config.hashtags_allowed and tag not in config.hashtags_allowed]
    if unknown:
        yield Finding("hashtags", f"#{unknown[0]} is not on the account's list")


def _host(link: str) -> str:
    host = (
        re.sub(r"^https?://", "", link, flags=re.IGNORECASE)
        .split("/", 1)[0]
        .split("?", 1)[0]
        .rsplit("@", 1)[-1]
        .split(":", 1)[0]
        .lower()
    )
    return host.removeprefix("www.")


def _private(text: str) -> Iterable[Finding]:
    if "@" in text and _EMAIL.search(text):
        yield Finding("pii", "an e-mail address")
    if sum(map(str.isdigit, text)) < 7:
        return
    if any(_luhn(match.group()) for match in _CARD.finditer(text)):
        yield Finding("pii", "a payment card number")
    elif _IBAN.search(text):
        yield Finding("pii", "a bank account number")
    elif _SSN.search(text):
        yield Finding("pii", "a social security number")
    elif any(_is_phone(match.group()) for match in _PHONE.finditer(text)):
        yield Finding("pii", "a telephone number")


def _is_phone(number: str) -> bool:
    groups = re.findall(r"\d+", number)
    return 7 <= sum(map(len, groups)) <= 15 and max(map(len, groups)) >= 3 and not _NO_PHONE.match(number)


def _luhn(digits: str) -> bool:
    numbers = [int(ch) for ch in digits if ch.isdigit()][::-1]
    return sum(n if i % 2 == 0 else sum(divmod(2 * n, 10)) for i, n in enumerate(numbers)) % 10 == 0
