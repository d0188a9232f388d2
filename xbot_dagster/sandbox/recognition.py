"""How the audience reads a text nobody registered: plain rules for style, hook and topic."""

import re
from functools import cache

from xbot_dagster.sandbox.vocabulary import TOPICS

_LIST = re.compile(r"^\s*(?:[-*\u2022\u2610\u2713\u2192]|\d+[.)])\s", re.MULTILINE)
_STYLES = (
    ("checklist", _LIST),
    (
        "challenge",
        re.compile(r"\bchallenge\b|\bfor (?:the next )?(?:three|four|five|seven|\d+) days\b|\bthis week, try\b", re.I),
    ),
    ("myth_check", re.compile(r"\bmyth\b|\bpeople (?:often )?believe\b|\bit is said\b", re.I)),
    ("contrarian", re.compile(r"\bunpopular\b|\boverrated\b|\beveryone says\b|\bhot take\b", re.I)),
    ("how_to", re.compile(r"\bhow to\b|\bstart by\b|\bfirst[,:]|\bstep\b", re.I)),
    ("analogy", re.compile(r"\bis (?:a bit )?like\b|\bthink of\b|\bas if\b", re.I)),
    (
        "story",
        re.compile(
            r"\blast (?:week|month|year|winter|summer|spring|autumn)\b|\byears ago\b|\bone (?:day|evening|morning)\b",
            re.I,
        ),
    ),
    ("reflection", re.compile(r"\bi used to\b|\blooking back\b|\bi(?:'ve| have) noticed\b|\bi wonder\b", re.I)),
    ("question", re.compile(r"\?\s*$")),
)
_HOOKS = (
    ("did-you-know", re.compile(r"^\W*did you know\b", re.I)),
    ("new-study", re.compile(r"^.{0,40}\b(?:study|research)\b", re.I)),
    ("contrarian", re.compile(r"^.{0,40}\b(?:unpopular|overrated|hot take|everyone says|stop )", re.I)),
    ("cta", re.compile(r"\b(?:reply|tell me|share|save this|follow|try it)\b[^.?!]*[.!?]?\s*$", re.I)),
    ("question", re.compile(r"^[^.!]{0,120}\?|\?\s*$")),
)
TOPIC_WORDS = {
    "sleep": "sleep bed bedtime bedroom night pillow nap tired asleep woke",
    "walking": "walk walks walking walked step steps stroll shoes route",
    "reading": "read reading book books page pages chapter novel library",
    "journaling": "journal journaling diary entry entries pen write writing",
    "focus": "focus attention distraction desk task deep concentrate timer",
    "note-taking": "note notes notebook index card cards link archive capture",
    "home-cooking": "cook cooking kitchen soup pan recipe dinner lunch beans fridge meal",
    "morning-routine": "morning mornings breakfast alarm wake sunrise coffee",
    "digital-calm": "phone screen notifications inbox app apps scroll tabs feed",
    "learning": "learn learning practice skill lesson memory recall study teach",
    "stretching": "stretch stretching shoulders neck hips back posture mobility",
    "weekly-planning": "week weekly plan planning calendar sunday review list",
}


@cache
def _words(topic: str) -> frozenset[str]:
    return frozenset(TOPIC_WORDS[topic].split())


def style_of(text: str) -> str:
    return next((style for style, rule in _STYLES if rule.search(text)), "educational")


def hook_of(text: str) -> str:
    return next((hook for hook, rule in _HOOKS if rule.search(text)), "none")


def topic_of(text: str) -> str:
    """The topic most of whose words occur; "learning" for a text that names none."""
    found = re.findall(r"[a-z]+", text.lower())
    scores = {topic: sum(word in _words(topic) for word in found) for topic in TOPICS}
    best = max(TOPICS, key=lambda topic: scores[topic])
    return best if scores[best] else "learning"


def known_topic(name: str) -> str | None:
    """The shared name of a topic written in another way ("Home cooking"), or None."""
    slug = re.sub(r"[\s_]+", "-", name.strip().lower())
    return slug if slug in TOPICS else None
