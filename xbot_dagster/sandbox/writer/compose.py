"""Turns an order into posts: picks whole sentences from the topic's kernels and joins them by the style's frames.

Everything follows from the order's text and the seed, so the same prompt always gets the same posts."""

import hashlib
import re
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np

from xbot_dagster.sandbox import recognition
from xbot_dagster.sandbox.text import weighted_length
from xbot_dagster.sandbox.vocabulary import TOPICS
from xbot_dagster.sandbox.writer.answers import answer
from xbot_dagster.sandbox.writer.brief import Brief
from xbot_dagster.sandbox.writer.material import load

LIST_END = re.compile(r"\n(?:[☐✓→-]|\d\.)[^\n]*$")  # a post that ends in a list
OTHER_OPENING = re.compile(r"{question}|Myth|The myth")  # frames that open with a question or a denial
SLOT = re.compile(r"{(\w+)}")
ALLOWED_TAGS = re.compile(r"only from:((?:\s*#\w+,?)+)")
CODA_SHARE = 0.45
GENERAL = "general"  # kernels for a topic we have no material on


@dataclass(frozen=True)
class Draft:
    parts: list[str]
    topic: str


def frames() -> dict[str, Any]:
    return load("frames.yaml")


def kernels(topic: str) -> dict[str, Any]:
    return load(f"kernels/{topic}.yaml")


def drafts(brief: Brief, seed: int, prompt: str) -> list[Draft]:
    """`brief.drafts` different drafts of `brief.parts` parts each; a hashtag comes from the prompt's list of allowed ones."""
    allowed = ALLOWED_TAGS.search(prompt)
    tags = re.findall(r"#\w+", allowed.group(1)) if allowed else ["#" + brief.topic.replace("-", "")]
    made: list[Draft] = []
    for number in range(brief.drafts):
        digest = hashlib.sha256(f"{seed}|{number}|{prompt}".encode()).digest()
        rng = np.random.default_rng(list(digest[:16]))
        tag = str(tags[int(rng.integers(len(tags)))]) if brief.hashtag else ""
        made.append(draft(brief, rng, tag))
    return made


def draft(brief: Brief, rng: np.random.Generator, tag: str = "") -> Draft:
    if brief.reply_to_text is not None:
        return Draft([answer(brief, rng)], material_topic(brief))
    topic = material_topic(brief)
    kernel = _kernel(topic, brief, rng)
    if brief.parts > 1:
        return Draft(_thread(brief, topic, kernel, rng, tag), topic)
    return Draft([_finish(_single(brief, topic, kernel, rng, tag), brief, tag)], topic)


def material_topic(brief: Brief) -> str:
    """The topic whose kernels serve the order: its own, the one its angle speaks of, or "general"."""
    if brief.topic in TOPICS:
        return brief.topic
    guess = recognition.topic_of(f"{brief.topic} {brief.angle}")
    mentioned = any(
        word in recognition.TOPIC_WORDS[guess].split()
        for word in re.findall(r"[a-z]+", f"{brief.topic} {brief.angle}".lower())
    )
    return guess if mentioned else GENERAL


def nearest_topic(brief: Brief) -> str:
    """The one of the shared topics that the audience files a foreign topic under."""
    return recognition.topic_of(f"{brief.topic} {brief.angle}")


def _kernel(topic: str, brief: Brief, rng: np.random.Generator) -> dict[str, Any]:
    """The angle that shares most words with the order's; chance decides between equals."""
    angles = kernels(topic)["angles"]
    wanted = _content_words(brief.angle)
    scores = np.array(
        [
            len(wanted & _content_words(_all_text(kernel))) + 3 * len(wanted & _content_words(kernel["angle"]))
            for kernel in angles
        ]
    )
    best = np.flatnonzero(scores == scores.max()) if scores.max() > 0 else np.arange(len(angles))
    return angles[int(rng.choice(best))]


def _all_text(kernel: dict[str, Any]) -> str:
    return " ".join(value if isinstance(value, str) else " ".join(value) for value in kernel.values())


def _content_words(text: str) -> set[str]:
    return {word for word in re.findall(r"[a-z0-9]+", text.lower()) if len(word) > 3}


def _fields(topic: str, kernel: dict[str, Any], rng: np.random.Generator) -> dict[str, str]:
    material = kernels(topic)
    tip, tip2 = (kernel["tips"][i] for i in rng.permutation(2))
    scene, scene2 = (kernel["scenes"][i] for i in rng.permutation(2))
    items = rng.choice(material["items"], 4, replace=False)
    angle = kernel["angle"]
    return {
        **{name: kernel[name] for name in ("claim", "why", "question", "myth", "contra", "image", "angle")},
        "Angle": angle[0].upper() + angle[1:],
        "tip": tip,
        "tip2": tip2,
        "scene": scene,
        "scene2": scene2,
        "list_title": str(rng.choice(material["lists"])),
        **{f"item{i + 1}": str(item) for i, item in enumerate(items)},
    }


def _single(brief: Brief, topic: str, kernel: dict[str, Any], rng: np.random.Generator, tag: str) -> str:
    """One post that fits: among the style's frames in random order, the first that fits with its hook; else a
    shorter one."""
    fields, pool = _fields(topic, kernel, rng), frames()
    order = [str(frame) for frame in rng.permutation(pool["styles"][brief.style])]
    room = brief.max_chars - _reserved(brief, tag)
    hooks = [str(hook) for hook in rng.permutation(pool["hooks"][brief.hook])]
    calls = [str(call) for call in rng.permutation(pool["answers_wanted"])]
    for frame in order:
        for hook, call in zip(hooks, cycle(calls)):
            text = _hooked(brief.hook, hook, call, frame, fields)
            if text is not None and weighted_length(text) <= room:
                return _with_coda(text, brief, rng, room)
    plain = sorted((frame.format(**fields) for frame in order), key=weighted_length)
    sentences = (fields[name] for name in ("claim", "tip", "scene", "question", "contra", "image"))
    return next((text for text in (*plain, *sentences) if weighted_length(text) <= room), _cut(fields["claim"], room))


def _hooked(name: str, hook: str, call: str, frame: str, fields: dict[str, str]) -> str | None:
    """Frame and hook together, or None when they would say the same thing twice or the opening would be another
    hook's."""
    body = frame.format(**fields)
    if name in ("none", "cta") and OTHER_OPENING.match(frame):
        return None
    if name == "cta":
        closing = call if body.endswith("?") else hook
        return body + ("\n\n" + closing.strip() if LIST_END.search(body) else closing)
    if name == "question" and frame.startswith("{question}"):
        return body
    if name == "contrarian" and frame.startswith("{contra}"):
        return hook.replace("{contra}", "").rstrip() + " " + body
    in_frame, in_hook = (set(SLOT.findall(piece.lower())) for piece in (frame, hook))
    return None if in_frame & in_hook else hook.format(**fields) + body


def _with_coda(text: str, brief: Brief, rng: np.random.Generator, room: int) -> str:
    """Now and then a short last word, so that posts on one angle do not end alike."""
    if (
        brief.hook == "cta"
        or brief.parts > 1
        or text.endswith("?")
        or LIST_END.search(text)
        or rng.random() > CODA_SHARE
    ):
        return text
    codas = frames()["codas"]
    longer = f"{text} {codas[int(rng.integers(len(codas)))]}"
    return longer if weighted_length(longer) <= room else text


def _thread(brief: Brief, topic: str, kernel: dict[str, Any], rng: np.random.Generator, tag: str) -> list[str]:
    """Opening, middle parts that each add one or two things, and an ending that repeats nothing."""
    fields = _fields(topic, kernel, rng)
    parts = [_finish(_single(brief, topic, kernel, rng, tag), brief, tag)]
    for _ in range(brief.parts - 2):
        said = "\n".join(parts)
        unsaid = [sentence for sentence in _supply(topic, kernel, fields) if sentence not in said]
        both = " ".join(unsaid[:2])
        enough = len(unsaid) > brief.parts - len(parts) and weighted_length(both) <= brief.max_chars
        parts.append(both if enough else _cut(unsaid[0], brief.max_chars))
    said = "\n".join(parts)
    for ending in map(str, rng.permutation(frames()["thread_endings"])):
        new = all(fields[slot] not in said for slot in SLOT.findall(ending) if slot != "angle")
        text = ending.format(**fields)
        if new and weighted_length(text) <= brief.max_chars:
            return [*parts, text]
    return [*parts, _cut(fields["question"], brief.max_chars)]


def _supply(topic: str, kernel: dict[str, Any], fields: dict[str, str]) -> list[str]:
    """Sentences for the middle of a thread: the kernel's own first, then its neighbours'."""
    own = [fields[name] for name in ("why", "tip", "scene", "tip2", "scene2", "image", "claim")]
    others = [other for other in kernels(topic)["angles"] if other is not kernel]
    return own + [sentence for other in others for sentence in (other["claim"], other["tips"][0])]


def _reserved(brief: Brief, tag: str) -> int:
    return (24 if brief.link else 0) + (len(brief.mention) + 2 if brief.mention else 0) + (len(tag) + 1 if tag else 0)


def _finish(text: str, brief: Brief, tag: str) -> str:
    """Adds the mention, the hashtag and the link that the order asked for."""
    if brief.mention:
        text = f"@{brief.mention.lstrip('@')} {text}"
    if tag:
        text = f"{text}\n{tag}" if LIST_END.search(text) else f"{text} {tag}"
    return f"{text} {brief.link}" if brief.link else text


def _cut(text: str, room: int) -> str:
    """The text up to the last whole word that fits."""
    while weighted_length(text) > room and " " in text:
        text = text.rsplit(" ", 1)[0]
    return text
