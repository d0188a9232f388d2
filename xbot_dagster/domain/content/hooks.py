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

_URL: Final = re.compile(r"https?://\S+|\bwww\.\S+", re.IGNORECASE)
_LEADING_NOISE: Final = re.compile(r"^(?:[@#][\w]+[\s,:]*|\d{1,2}[/.)]\s*|[^\w\s\"'(]+\s*|\s+)+")
_LABEL: Final = re.compile(r"^(?:[\w'-]+ ){0,2}(?:thought|reminder|question|tip|thread|update|pro tip|q)\s?:\s*", re.IGNORECASE)
_SENTENCE_END: Final = re.compile(r"(?<=[.!?…])[\"')\]]*\s+|\n+")
_QUESTION_END: Final = re.compile(r"\?[\s\"')\]!?…]*$")

_DID_YOU_KNOW: Final = re.compile(
    r"^(?:so,? |hey,? |psa:? )?(?:did(?:n't)? (?:you|u|ya|y'all) (?:already )?know\b|do you (?:already )?know (?:that|why|how|what)\b"
    r"|(?:fun|random|weird|wild|little[- ]known|surprising|interesting|quick) fact\b|today i learned\b|til\b"
    r"|(?:i )?bet you (?:didn't|did not|don't|never)\b|(?:you|most people) (?:probably|likely|may|might)? ?(?:didn't|don't|not|never) "
    r"(?:know|knew|realis?e|realize)\b|few people know\b|ever (?:wonder|notice)(?:ed)? (?:why|how|what)\b(?=[^?]*\.)|here's (?:a|one) (?:fun )?"
    r"fact\b)",
    re.IGNORECASE,
)

_RESEARCH: Final = (
    r"(?:stud(?:y|ies)|trials?|meta-?analys[ie]s|paper|preprint|research|systematic review|randomi[sz]ed controlled trial|rct|survey|"
    r"experiments?|dataset|clinical trial|cohort|data)"
)
_RESEARCHERS: Final = r"(?:researchers|scientists|neuroscientists|psychologists|economists|epidemiologists|physicians)"
_FINDS: Final = r"(?:finds?|found|shows?|showed|suggests?|suggested|reveals?|revealed|reports?|reported|links?|linked|confirms?|confirmed|tracked|followed|discover(?:s|ed)?)"
_NEW_STUDY: Final = re.compile(
    rf"\b(?:new|recent|latest|fresh|large|huge|major|landmark|20\d\d|\d+-year|harvard|stanford|mit|oxford) (?:[\w-]+ ){{0,3}}{_RESEARCH}\b"
    rf"(?<!new data)(?<!latest data)(?<!recent data)(?<!new research project)"
    rf"|\b(?:a|an|one|this|the) (?:[\w-]+ ){{0,3}}{_RESEARCH} (?:of [\d,.]+\b|(?:\([^)]*\) )?(?:from [\w ]+ |in [\w ]+ |by [\w ]+ |just )?{_FINDS}\b|in (?:nature|science|jama|nejm|the lancet|bmj|cell)\b)"
    rf"|\b{_RESEARCH} (?:just )?{_FINDS}\b"
    rf"|\b{_RESEARCHERS} (?:at [\w ]+?|from [\w ]+?|in [\w ]+?)?\s?(?:just |have |recently )?{_FINDS}\b"
    rf"|\b{_RESEARCHERS} (?:at|from) [A-Z]\w+"
    rf"|\b(?:just )?published (?:today |this week |yesterday )?in (?:the )?(?:journal|nature|science|jama|nejm|lancet|bmj|cell|pnas)\b"
    rf"|\baccording to (?:a |an |the )?(?:new|recent|latest) (?:[\w-]+ ){{0,2}}(?:{_RESEARCH}|figures)\b"
    rf"|\bmeta-?analysis of [\d,]+\b|\bnew data (?:from|on|shows?|suggests?)\b|\b(?:our|my) new (?:paper|preprint|study|article) (?:is )?(?:out|in|on|shows?|with|looks|finds)\b",
    re.IGNORECASE,
)

_CONTRARIAN: Final = re.compile(
    r"\b(?:unpopular|controversial|contrarian|minority) (?:opinion|take|view|belief)s?\b|\bhot take\b|\bcontrary to (?:popular|common|what)\b"
    r"|\bconventional wisdom\b|\b(?:popular|common) (?:advice|belief|wisdom)\b[^.?!]*\b(?:wrong|backwards|bad|harmful|fails?)\b"
    r"|\b(?:everyone|everybody|most people|most (?:[\w-]+ )?(?:advice|experts|gurus|coaches|founders|teams|companies)|people|they|the experts|your boss|the internet)"
    r"[^.?!]{0,60}\b(?:(?:is|are|was|were|get(?:s)?|got|have|has) (?:\w+ )?(?:wrong|backwards|lying|nonsense)|wrong\b|it's not|they're wrong)"
    r"|\b(?:is|are|was|were|'s) (?:\w+ )?(?:overrated|a myth|myths|a lie|lies|a scam|bullshit|nonsense|a trap|a waste of (?:time|money)|not what you think|"
    r"killing your|making you (?:worse|sick|poor|slow\w*)|dead\b(?! (?:serious|tired|on)))"
    r"|^(?:please )?stop (?:\w+ing|telling|your|the)\b|^(?:the )?(?:biggest |most common )?myth\s?(?:#?\d+)?\s?:|\bdebunk(?:ed|ing)?\b|^forget (?:about |everything )?(?!to\b)\w+"
    r"|\byou(?:'ve| have) been (?:lied to|told wrong|doing [\w ]+ wrong)|\bnobody (?:wants to say|talks about|needs)\b|\bno one (?:wants to say|needs)\b"
    r"|\bthe (?:uncomfortable|hard|inconvenient|ugly) truth\b|\bi (?:strongly |respectfully )?disagree\b|^you (?:don't|do not) need (?!to be\b)"
    r"|\bchange my mind\b|\bdon't believe the hype\b|^(?:no|nope|sorry),? (?:but )?[^.?!]{3,60}\b(?:isn't|aren't|doesn't|don't|won't|not)\b"
    r"|\bwe need to stop\b|\bthe opposite is true\b|\bworst advice\b|\bis(?:n't| not) the (?:problem|answer|solution)\b",
    re.IGNORECASE,
)

_CTA: Final = re.compile(
    r"(?:^|[.!?…:;,\n\-–—→👇]\s*|\b(?:please|pls|and|then|so|to|now|go|just) )"
    r"(?:follow (?:me|us|along|for|@\w+|this|if)\b|(?:retweet|rt|repost|like|share|bookmark|save|pin) (?:this|if|it|and|to|with|your|for)\b"
    r"|(?:reply|comment|respond) (?:with|below|and|if|to this|using|your)\b|(?:drop|leave|post|put|share) (?:your|a|it|them|yours)\b[^.?!]{0,40}\b(?:below|comments?|replies|reply|thread|question|link|👇)"
    r"|(?:share|send|post) (?:your|us|me)\b|sign (?:up|the|our)\b|signup\b|subscribe\b|register\b|enrol+\b|(?:download|grab|get) (?:it|the|our|my|your|a free)\b"
    r"|tag (?:a|someone|your|two|the)\b|tell (?:me|us)\b|let (?:me|us) know\b|(?:check|try) (?:out|it out|this out|them out|it)\b|click (?:the|here|below|on|through)\b|tap (?:the|here|below)\b"
    r"|read (?:more|the (?:full|whole|rest|thread|post|article|guide)|it|our|my|all)\b|learn (?:more|how)\b|find out (?:more|how)\b|watch (?:the|it|live|our|this|now|here)\b|tune in\b"
    r"|(?:join|donate|volunteer|apply|rsvp|vote)\b(?! (?:the dots|forces))|add your (?:name|voice)\b|(?:dm|message|email|text|call) (?:me|us|your)\b|book (?:a|your|now)\b"
    r"|take (?:the|our|this) (?:quiz|survey|poll|pledge|test)\b|give (?:us|me|it) a (?:follow|try|like|share)\b|pre-?order\b|buy (?:it|now|tickets|your)\b|listen (?:to|here|now)\b"
    r"|spread the word\b|pass (?:it|this) on\b|speak (?:up|out)\b|say you(?:'re| are) in\b|see (?:the|our) (?:full|link|thread)\b|visit\b)"
    r"|\blink (?:is )?in (?:my |our |the )?(?:bio|profile|comments|replies|first reply)\b|\b(?:thoughts|agree)\?\s*(?:reply|comment|👇)"
    r"|\b(?:follow|subscribe) for more\b|\bfollow @\w+|\bmake sure (?:to|you) (?:follow|vote|subscribe|register|save)\b|\bdon't forget to \w+",
    re.IGNORECASE,
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
    if _NEW_STUDY.search(head):
        return "new-study"
    if any(_CONTRARIAN.search(sentence) for sentence in sentences[:2]):
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
    return [part for part in sentences if re.search(r"\w", part)]
