"""Which hook a text opens with: the feature `hook_pattern`.

Belongs here: the documented rules that turn a text into one of six labels. Does not belong here: what an arm asks the
writer to do (prompts), or how a hook performs (learning).

The rules, in the order in which they are tried; the first that matches wins. "Opening" is the first sentence, after
leading mentions, hashtags, links, emoji, list marks and a short label ("Friday thought:") have been removed.

1. `did-you-know`: the opening offers a surprising fact to the reader: "did you know", "fun fact", "TIL",
   "you probably didn't know", "little-known fact", "bet you didn't know".
2. `new-study`: one of the first two sentences cites research as its news: "a new study / trial / meta-analysis",
   "researchers found", "scientists at …", "study of 4,000 people", "published in …", "according to new data".
3. `contrarian`: one of the first two sentences opposes common belief: "unpopular opinion", "hot take", "myth:",
   "stop doing …", "… is overrated / a myth / a lie", "everyone thinks … wrong", "contrary to popular belief".
4. `question`: the opening ends with a question mark. A tag for the reader's reply at the *end* of a text is not an
   opening: it is a call to action if it asks for one, and a question otherwise (rule 6).
5. `cta`: a sentence asks the reader to act: follow, share, repost, save, comment, sign up, subscribe, read, register,
   "tell me", "let us know", "link in bio".
6. `question`: the last sentence ends with a question mark.
7. `none`.
"""

from __future__ import annotations

import re
from typing import Final, Literal

HookPattern = Literal["did-you-know", "new-study", "question", "contrarian", "cta", "none"]

HOOK_PATTERNS: Final[tuple[HookPattern, ...]] = ("did-you-know", "new-study", "question", "contrarian", "cta", "none")


def _any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_URL: Final = re.compile(r"https?://\S+|\bwww\.\S+", re.IGNORECASE)
_LEADING_NOISE: Final = re.compile(r"^(?:[@#][\w]+[\s,:]*|\d{1,2}[/.)]\s*|[^\w\s\"'(]+\s*|\s+)+")
_LABEL: Final = re.compile(
    r"^(?:[\w'-]+ ){0,2}(?:thought|reminder|question|tip|thread|update|pro tip|q)\s?:\s*", re.IGNORECASE
)
_SENTENCE_END: Final = re.compile(r"(?<=[.!?…])[\"')\]]*\s+|\n+")
_WORD: Final = re.compile(r"\w")
_QUESTION_END: Final = re.compile(r"\?[\s\"')\]!?…]*$")

_DID_YOU_KNOW: Final = _any_of(
    r"^(?:so,? |hey,? |psa:? )?did(?:n't)? (?:you|u|ya) (?:already )?know\b(?! (?:it|him|her|them|each)\b)",
    r"^do you (?:already )?know (?:that|why)\b",
    r"^(?:it's a |here's a )?(?:fun|random|weird|wild|little[- ]known|surprising|interesting|quick) fact\b",
    r"^(?:today i learned|til)\b",
    r"^(?:i )?bet you (?:didn't|did not|don't|never)\b",
    r"^you (?:probably |likely |may |might )?(?:didn't|don't|not|never) (?:know|knew|realis?z?e)\b",
    r"^(?:most|few) people (?:(?:do not|don't|never) )?know\b",
)

_STUDY: Final = (
    r"(?:stud(?:y|ies)|trials?|meta-?analys[ie]s|papers?|preprints?|systematic reviews?|reviews? of|rct|surveys?|"
    r"cohort|"
    r"research(?! (?:code|record|project|group|team|question|assistant|fellow|software)))"
)
_RESEARCHERS: Final = (
    r"(?:researchers|scientists|neuroscientists|psychologists|economists|epidemiologists|a team (?:at|from) [\w ]+?)"
)
_FOUND: Final = (
    r"(?:finds?|found|shows?|showed|suggests?|suggested|reveals?|revealed|reports?|reported|links?|linked|confirms?|"
    r"confirmed|tracked|followed|discover(?:s|ed)?)"
)
_NEW_STUDY: Final = _any_of(
    rf"\b(?:new|recent|latest|landmark|20\d\d|\d+-year)(?: [\w-]+){{0,2}} {_STUDY}\s*"
    rf"(?:$|[:!,.]| (?:{_FOUND}|on|of|in|from|by|out|with)\b)",
    rf"\b(?:a|one|this|our) (?:[\w-]+ ){{0,3}}{_STUDY} (?:from \w+ |in \w+ |by \w+ |just )?{_FOUND}\b",
    rf"^(?:[\w-]+ ){{0,2}}{_STUDY} (?:just )?{_FOUND}\b",
    rf"^(?:in )?(?:a )?{_STUDY} of [\d,.]+\b",
    r"^meta-?analys[ie]s\b",
    rf"\b{_RESEARCHERS}(?: (?:at|from|in) [\w ]+?)? ?(?:just |have |has |recently )*{_FOUND}\b",
    r"\bpublished (?:today |this week |yesterday )?in (?:the )?"
    r"(?:journal|nature|science|jama|nejm|lancet|bmj|cell|pnas)\b",
    rf"\baccording to (?:a |an |the )?(?:[\w-]+ ){{0,2}}{_STUDY}",
    r"\bnew data (?:from|shows?|suggests?)\b",
    r"\b(?:our|my) new (?:paper|preprint|study|article)\b",
)

# A cheap look first: the full rule is slow on long texts and most texts never mention research.
_MENTIONS_RESEARCH: Final = _any_of(
    r"\b(?:stud|trial|meta-?anal|paper|preprint|review|rct|survey|cohort|research|scientist|neurosci|psychol|econom|"
    r"a team|published|new data)"
)

_CONTRARIAN: Final = _any_of(
    r"\b(?:unpopular|controversial|contrarian) (?:opinion|take|view|belief)s?\b",
    r"\bhot take\b",
    r"\bcontrary to (?:popular|common|what)\b",
    r"\bconventional wisdom\b",
    r"^(?:everyone|everybody|most (?:people|experts|gurus|coaches|founders)|people) "
    r"(?:says?|thinks?|believes?|tells?|gets?)\b.*"
    r"\b(?:wrong|backwards|doesn't|isn't|aren't|don't)\b",
    r"^most (?:[\w-]+ )?advice\b.*\b(?:wrong|backwards|bad|harmful|useless)\b",
    r"\b(?:is|are|'s) (?:\w+ ){0,2}"
    r"(?:overrated|myths?|lies?|scams?|bullshit|a waste of (?:time|money|an? \w+))\b(?! detector)",
    r"^(?:please )?stop (?:\w+ing|telling)\b(?! (?:by|around)\b)",
    r"^(?:the )?(?:biggest |most common )?myth\s?(?:#?\d+)?\s?:",
    r"^forget (?:about |everything )?(?!to [a-z])[\w-]+[^,]*[.!]",
    r"\byou(?:'ve| have) been lied to\b",
    r"^nobody wants to (?:say|hear)\b",
    r"\bthe (?:uncomfortable|inconvenient|ugly) truth\b",
    r"^i (?:strongly |respectfully )?disagree with the (?:idea|notion|advice)\b",
    r"^you (?:don't|do not) need\b[^.]*\. (?:you|what you) (?:need|just need)\b",
    r"^the worst advice\b",
    r"\bchange my mind\b",
)

_ASK: Final = r"(?:^|[.!?…:;,–—→👇(]\s*|\b(?:please|pls|and|then|now) )"
_REQUEST: Final = _any_of(
    r"follow (?:me|us|along|for|@\w+)\b",
    r"(?:retweet|rt|repost|like|share|bookmark|save|pin) (?:this|if|it|and|to|with)\b",
    r"(?:reply|comment|respond) (?:with|below|and|if|['\"]\w+)",
    r"(?:drop|leave|post|put|share|send) (?:us |me )?(?:your|yours)\b",
    r"(?:sign up|subscribe|register|enrol+|donate|volunteer|apply|rsvp|pre-?order|chip in|speak (?:up|out)|vote)\b",
    r"(?:download|grab|get|read|watch|buy|book|see) (?:it|the|our|my|your|a free|more|here|live|this|tickets)\b",
    r"(?:join|visit|support) (?:us|me|the|our|@\w+|in)\b",
    r"(?:tag (?:a|someone|your|two)|tell (?:me|us)|let (?:me|us) know|add your (?:name|voice))\b",
    r"(?:check|try) (?:(?:it|this|them) )?out\b",
    r"(?:click|tap) (?:the|here|below|through|on)\b",
    r"(?:learn|find out) (?:more|how|why)\b",
    r"(?:tune in|listen (?:to|here|now)|take (?:the|our|this) (?:quiz|survey|poll|pledge)|spread the word|"
    r"pass it on)\b",
    r"(?:dm|message|text) (?:me|us)\b",
)
_CTA: Final = _any_of(
    _ASK + f"(?:{_REQUEST.pattern})",
    r"\blink (?:is )?in (?:my |our |the )?(?:bio|profile|comments|replies|first reply)\b",
    r"\bfollow for more\b",
    r"\b(?:make sure (?:to|you)|don't forget to) (?:follow|vote|subscribe|register|save|share|sign)\b",
)


def opening(text: str) -> str:
    """The first sentence of a text without leading mentions, hashtags, links, emoji, list marks and labels."""
    sentences = _sentences(text)
    return sentences[0] if sentences else ""


def hook_pattern(text: str) -> HookPattern:
    """Label a text with its hook by the rules in this module's docstring. An empty or wordless text is `none`."""
    sentences = _sentences(text)
    if not sentences:
        return "none"
    head = " ".join(sentences[:2])
    if _DID_YOU_KNOW.search(sentences[0]):
        return "did-you-know"
    if _MENTIONS_RESEARCH.search(head) and _NEW_STUDY.search(head):
        return "new-study"
    if _CONTRARIAN.search(head):
        return "contrarian"
    if _QUESTION_END.search(sentences[0]):
        return "question"
    if any(_CTA.search(sentence) for sentence in sentences):
        return "cta"
    if _QUESTION_END.search(sentences[-1]):
        return "question"
    return "none"


def _sentences(text: str) -> list[str]:
    plain = _URL.sub(" ", text).replace("’", "'").replace("‘", "'").replace("“", '"').replace("”", '"')
    plain = _LEADING_NOISE.sub("", plain.strip())
    plain = _LABEL.sub("", plain)
    sentences = [part.strip() for part in _SENTENCE_END.split(plain)]
    return [part for part in sentences if _WORD.search(part)]
