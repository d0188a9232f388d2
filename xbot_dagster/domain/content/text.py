"""Text as the gates and the deduplication see it: folding, hashes, words, and what hides inside unicode.

Does not belong here: X's weighted length (`domain.measuring.weighted_length`), features for learning.
"""

import hashlib
import re
import unicodedata
from functools import lru_cache

_LINK = re.compile(r"https?://\S+|\bwww\.\S+", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"')\]]*\s+|\n+")

# Characters that are not seen but change what a machine reads: zero width, bidirectional controls, tags, soft hyphen, fillers.
_INVISIBLE_RANGES = (
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180E, 0x180E),
    (0x200B, 0x200C),
    (0x200E, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xE0000, 0xE007F),
)
_INVISIBLE = re.compile("[" + "".join(f"{chr(low)}-{chr(high)}" for low, high in _INVISIBLE_RANGES) + "]")
# The zero width joiner is invisible too, but it holds emoji together: only outside an emoji it hides something.
_STRAY_JOINER = re.compile(
    "(?<=[A-Za-z0-9\u00c0-\u024f\u0400-\u04ff])\u200d|\u200d(?=[A-Za-z0-9\u00c0-\u024f\u0400-\u04ff])"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def fold(text: str) -> str:
    """NFC, no-break spaces as spaces, runs of white space as one space, ends trimmed."""
    return " ".join(unicodedata.normalize("NFC", text).replace("\u00a0", " ").split())


def tidy(text: str) -> str:
    """The text as it is stored and posted: NFC, `\\n` line ends, no trailing blanks, at most one empty line in a row."""
    normal = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n").replace("\u00a0", " ")
    lines = [line.rstrip() for line in normal.strip().split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def content_hash(text: str) -> str:
    """`sha256:<64 hex>` over letters and digits only, without links, so that case, spacing and punctuation make no new text.

    A text of nothing but links or symbols is hashed as it stands.
    """
    bare = unicodedata.normalize("NFKC", _LINK.sub(" ", text)).casefold()
    letters = "".join(ch for ch in bare if ch.isalnum())
    return "sha256:" + hashlib.sha256((letters or fold(text)).encode("utf-8", "surrogatepass")).hexdigest()


def words(text: str) -> list[str]:
    """The words of a text in order, links removed, case kept."""
    return _WORD.findall(_LINK.sub(" ", text))


def sentences(text: str) -> list[str]:
    """The sentences (or lines) of a text that hold at least one word."""
    return [part.strip() for part in _SENTENCE_END.split(text.strip()) if _WORD.search(part)]


def invisible_characters(text: str) -> int:
    """How many unseen characters (zero width, bidirectional controls, tags) a text carries; emoji joiners do not count."""
    if text.isascii():
        return 0
    return len(_INVISIBLE.findall(text)) + len(_STRAY_JOINER.findall(text))


def control_characters(text: str) -> int:
    """How many control characters other than line feed, carriage return and tab a text carries."""
    return len(_CONTROL.findall(text))


def without_invisible(text: str) -> str:
    """The text without unseen and control characters."""
    return _CONTROL.sub("", _STRAY_JOINER.sub("", _INVISIBLE.sub("", text)))


def skeleton(text: str) -> str:
    """Lower-case text in plain Latin letters wherever a look-alike stands in for one (Cyrillic а, fullwidth Ａ, 𝐛old, é, 0, @).

    For word lists only: it answers "how would a reader spell this?", never "what was written?".
    """
    if text.isascii():
        return text.casefold()
    plain = unicodedata.normalize("NFKD", without_invisible(text))
    letters = "".join(_latin(ch) for ch in plain if not unicodedata.combining(ch))
    return letters.casefold()


@lru_cache(maxsize=4096)
def _latin(character: str) -> str:
    if character.isascii() or not character.isalpha():
        return character
    from confusable_homoglyphs import confusables

    found = confusables.is_confusable(character, greedy=True, preferred_aliases=[])
    for entry in found or []:
        for twin in entry["homoglyphs"]:
            if len(twin["c"]) == 1 and twin["c"].isascii() and twin["c"].isalpha():
                return str(twin["c"])
    return character


def scripts(text: str) -> set[str]:
    """The scripts of a text's letters by unicode name, for example {"LATIN", "CYRILLIC"}."""
    if text.isascii():
        return {"LATIN"} if any(ch.isalpha() for ch in text) else set()
    return {unicodedata.name(ch, "UNKNOWN").split(" ")[0] for ch in text if ch.isalpha()}
