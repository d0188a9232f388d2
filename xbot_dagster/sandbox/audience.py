"""The audience: what happens to a post, with a truth that a judge can ask for and the system under test cannot.

Pure numpy; no I/O, no clock. The model is that of the growth environment in which policies are judged: per-style
drift (Ornstein-Uhlenbeck, half-life 30 days; best and worst styles swap on day 45), an hour profile in the account's
own zone (shifted by 4 h on day 60), topic, hook and novelty effects, over-dispersed counts, and a share at T+1h that
is Beta distributed. A reader of the counts at any age sees them grow along one fixed path per post, so counts never
fall and never depend on who reads when. Everything follows from (seed, handle, the post's ordinal and text): two
worlds with the same seed agree."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from xbot_dagster.sandbox.regimes import REGIMES
from xbot_dagster.sandbox.vocabulary import HOOKS, STYLES, TOPICS

HOURS = 24
HALF_LIFE_DAYS = 30
SWAP_DAY, SHIFT_DAY, SHIFT_HOURS = 45, 60, 4
STEERED = ("follows", "retweets", "replies")  # measures whose style effects drift on their own paths
GROWTH_POWER = 0.8  # bends the growth curve 1 - (1 - b)^(hours^0.8): steep first hour, long tail
ONE_HASHTAG = 0.10  # log impressions that one hashtag adds, and that every further one takes away
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
REPLY_REACH, THREAD_REACH = 0.2, 0.5  # impressions of a reply to others, of a later part of our own thread


@dataclass(frozen=True)
class Traits:
    """What the audience makes of a text. `novelty` in [0, 1]; `kind` is "post", "thread" (a later part) or "reply"."""

    style: str
    topic: str
    hook: str
    novelty: float
    kind: str = "post"
    has_url: bool = False
    hashtags: int = 0


class Counts(NamedTuple):
    """Running totals of one post at one moment. `engagements` is the sum X's own pages add up."""

    impressions: int
    likes: int
    retweets: int
    quotes: int
    replies: int
    bookmarks: int
    profile_visits: int
    detail_expands: int
    link_clicks: int
    follows: int

    @property
    def engagements(self) -> int:
        return sum(self) - self.impressions


@dataclass(frozen=True)
class Outcome:
    """One post's whole future. `events[m]` are the sorted ages in hours at which measure m grows by one."""

    impressions: int
    first_hour_share: float
    events: dict[str, np.ndarray] = field(repr=False)

    def at(self, age_hours: float) -> Counts:
        """Counts of a post that is `age_hours` old (0 and less: nothing yet)."""
        seen = int(self.impressions * share(age_hours, self.first_hour_share))
        grown = {m: int(np.searchsorted(ages, age_hours, side="right")) for m, ages in self.events.items()}
        return Counts(impressions=max(seen, grown["likes"] + grown["retweets"]), **grown)


def share(age_hours: float, first_hour: float) -> float:
    """Part of the final count that is there after `age_hours`; equals `first_hour` at 1 h."""
    if age_hours <= 0:
        return 0.0
    return float(1.0 - (1.0 - first_hour) ** (age_hours**GROWTH_POWER))


def mean_share(age_hours: float) -> float:
    """Mean of `share` over first-hour shares (Beta(3.5, 6.5), by its quantiles): what an average post has reached."""
    return float(np.mean([share(age_hours, first) for first in _FIRST_HOUR_QUANTILES]))


_FIRST_HOUR_QUANTILES = (0.148, 0.218, 0.268, 0.311, 0.352, 0.396, 0.446, 0.512, 0.620)  # 5 % to 95 % of Beta(3.5, 6.5)


class _Drift:
    """Ornstein-Uhlenbeck path of `width` effects, extended day by day so that day d never depends on who asked
    first."""

    def __init__(self, rng: np.random.Generator, width: int, sd: float) -> None:
        self._rng, self._sd, self._width = rng, sd, width
        self._rho = float(np.exp(-np.log(2) / HALF_LIFE_DAYS))
        self._days: list[np.ndarray] = [sd * rng.standard_normal(width)]

    def __getitem__(self, day: int) -> np.ndarray:
        while len(self._days) <= day:
            step = self._sd * np.sqrt(1 - self._rho**2) * self._rng.standard_normal(self._width)
            self._days.append(self._rho * self._days[-1] + step)
        return self._days[max(0, day)]


def stable_int(text: str) -> int:
    """A seed from text that is the same in every process."""
    return zlib.crc32(text.encode())


class Audience:
    """The people around one account.

    `born` is the UTC instant (ms) the account joined the world: day 0 of every drift. `zone` is the account's
    IANA zone."""

    def __init__(
        self, seed: int, handle: str, born_ms: int, zone: str = "UTC", followers: int = 1200, regime: str = "demo"
    ) -> None:
        self.seed, self.handle, self.born_ms, self.followers = seed, handle.lower(), born_ms, followers
        self.zone, self.regime = ZoneInfo(zone), REGIMES[regime]
        self._born_day = self.local_date(born_ms)
        sd = self.regime.style_sd
        self._common = _Drift(self._rng("common"), len(STYLES), sd)
        self._own = {m: _Drift(self._rng("own", m), len(STYLES), sd) for m in STEERED}
        self._reach = _Drift(self._rng("reach"), len(STYLES), 0.25)
        rng = self._rng("profile")
        hour, peak = np.arange(HOURS), int(rng.integers(7, 22))
        self._hour: dict[str, np.ndarray] = {}
        for m, amplitude, noise in (("impressions", 0.5, 0.10), *((m, 0.15, 0.05) for m in STEERED)):
            wave = amplitude * np.cos(2 * np.pi * (hour - peak) / HOURS)
            self._hour[m] = wave + noise * rng.standard_normal(HOURS)
        self._pair = {m: 0.25 * rng.standard_normal((len(STYLES), len(TOPICS))) for m in STEERED}
        self._pair["impressions"] = np.zeros((len(STYLES), len(TOPICS)))
        self._hook = {m: 0.16 * rng.standard_normal(len(HOOKS)) for m in (*STEERED, "impressions")}
        self._topic = {m: 0.2 * rng.standard_normal(len(TOPICS)) for m in (*STEERED, "impressions")}
        self._trend: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def _rng(self, *purpose: str | int) -> np.random.Generator:
        keys = [p if isinstance(p, int) else stable_int(p) for p in purpose]
        return np.random.default_rng([self.seed, stable_int(self.handle), *keys])

    def local_date(self, at_ms: int) -> date:
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self.zone).date()

    def day(self, at_ms: int) -> int:
        """Whole local days since the account joined (never negative)."""
        return max(0, (self.local_date(at_ms) - self._born_day).days)

    def hour(self, at_ms: int) -> int:
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self.zone).hour

    def day_of(self, local_date: str) -> int:
        """Drift day of a local date like 2026-11-08. Raises ValueError."""
        return max(0, (date.fromisoformat(local_date) - self._born_day).days)

    # --- the truth -----------------------------------------------------------------------------------------------

    def style_effect(self, measure: str, day: int) -> np.ndarray:
        """Log effects, shape (styles,)."""
        if measure == "impressions":
            effect = self._reach[day]
        else:
            effect = 0.8 * self._common[day] + 0.6 * self._own[measure][day]
        if day < SWAP_DAY:
            return effect
        order = np.argsort(self._common[SWAP_DAY])
        effect = effect.copy()
        for best, worst in ((order[-1], order[0]), (order[-2], order[1])):
            effect[[best, worst]] = effect[[worst, best]]
        return effect

    def log_mean(self, measure: str, day: int, traits: Traits) -> np.ndarray:
        """Log of the mean relative to the regime's base, shape (styles, hours); the style inside `traits` is
        not used."""
        topic, hook = TOPICS.index(traits.topic), HOOKS.index(traits.hook)
        shared = self._hook[measure][hook] + self._topic[measure][topic]
        if measure != "impressions":
            shared = shared + 0.3 * (traits.novelty - 0.65)
        else:
            shared = shared + np.log({"post": 1.0, "thread": THREAD_REACH, "reply": REPLY_REACH}[traits.kind])
            shared = shared + (ONE_HASHTAG if traits.hashtags == 1 else -ONE_HASHTAG * max(0, traits.hashtags - 1))
        profile = self._hour[measure] if day < SHIFT_DAY else np.roll(self._hour[measure], SHIFT_HOURS)
        return (
            self.style_effect(measure, day)[:, None]
            + profile[None, :]
            + self._pair[measure][:, topic][:, None]
            + shared
        )

    def rate(self, measure: str, day: int, traits: Traits) -> np.ndarray:
        """Expected `follows`, `retweets` or `replies` per impression, shape (styles, hours)."""
        return self.regime.measures[measure].rate * np.exp(self.log_mean(measure, day, traits))

    def expected_impressions(self, day: int, traits: Traits) -> np.ndarray:
        return self.regime.impressions * np.exp(self.log_mean("impressions", day, traits) + 0.5 * self.regime.sigma**2)

    def expected_follows(self, day: int, traits: Traits) -> np.ndarray:
        """Expected final follows of one post for every choice, shape (styles, hours)."""
        return self.expected_impressions(day, traits) * self.rate("follows", day, traits)

    @cached_property
    def references(self) -> dict[str, float]:
        """Rates per impression at which a normalised reward is full: three times the base, as in the growth
        environment."""
        return {m: 3 * self.regime.measures[m].rate for m in STEERED}

    def utility(self, day: int, traits: Traits) -> np.ndarray:
        """Expected normalised reward in [0, 1], shape (styles, hours): .5 follows, .3 retweets, .15 replies,
        .05 novelty."""
        weights = {"follows": 0.5, "retweets": 0.3, "replies": 0.15}
        parts = [w * np.minimum(1, self.rate(m, day, traits) / self.references[m]) for m, w in weights.items()]
        return np.sum(parts, axis=0) + 0.05 * traits.novelty

    # --- what happens ---------------------------------------------------------------------------------------------

    def outcome(self, ordinal: int, text_key: str, posted_ms: int, traits: Traits) -> Outcome:
        """The future of the account's `ordinal`-th post."""
        rng = self._rng("outcome", ordinal, text_key)
        day, hour, style = self.day(posted_ms), self.hour(posted_ms), STYLES.index(traits.style)
        mean = self.log_mean("impressions", day, traits)[style, hour]
        noise = self.regime.sigma * rng.standard_normal()
        impressions = max(20, int(self.regime.impressions * np.exp(mean + noise)))
        first = float(rng.beta(3.5, 6.5))
        effects = {m: self.log_mean(m, day, traits)[style, hour] for m in STEERED}
        events = {}
        for name, measure in self.regime.measures.items():
            mu = impressions * measure.rate * np.exp(effects[measure.path])
            total = int(rng.poisson(mu * rng.gamma(1 / measure.alpha, measure.alpha)))
            ages = _ages(rng.random(total), first)
            events[name] = ages if name != "link_clicks" or traits.has_url else ages[:0]
        # a new follower comes by way of the profile page, so visits can never be fewer than follows
        visits = np.sort(np.concatenate([events["profile_visits"], events["follows"]]))
        return Outcome(impressions, first, {**events, "profile_visits": visits})

    def baseline(self, day: int) -> tuple[np.ndarray, np.ndarray]:
        """Follows and unfollows of day `day` that no post explains: two sorted arrays of fractions of the day."""
        if day not in self._trend:
            rng = self._rng("baseline", day)
            gains = np.sort(rng.random(rng.poisson(self.baseline_gain)))
            losses = np.sort(rng.random(rng.poisson(self.baseline_loss)))
            self._trend[day] = (gains, losses)
        return self._trend[day]

    @property
    def baseline_gain(self) -> float:
        """Expected follows a day without any post of ours."""
        return 0.0012 * self.followers

    @property
    def baseline_loss(self) -> float:
        """Expected unfollows a day."""
        return 0.0009 * self.followers

    def baseline_change(self, at_ms: int) -> int:
        """Net follower change since the account joined that no post explains."""
        elapsed = max(0.0, (at_ms - self.born_ms) / DAY_MS)
        whole, fraction = int(elapsed), elapsed - int(elapsed)
        net = sum(len(gains) - len(losses) for gains, losses in map(self.baseline, range(whole)))
        gains, losses = self.baseline(whole)
        return (
            net
            + int(np.searchsorted(gains, fraction, side="right"))
            - int(np.searchsorted(losses, fraction, side="right"))
        )

    def follow_times(self, posted_ms: int, outcome: Outcome) -> np.ndarray:
        """UTC milliseconds at which a post's followers arrive, sorted."""
        return posted_ms + np.rint(outcome.events["follows"] * HOUR_MS).astype(np.int64)

    def expected_random(self, posts: Sequence[tuple[int, Traits]], hours: Sequence[int] = range(HOURS)) -> list[float]:
        """Expected follows of each post had style and hour been drawn uniformly (same day, topic, hook and novelty).

        `posts` are (posted_ms, traits); `hours` the local hours a random policy may use."""
        return [float(self.expected_follows(self.day(ms), traits)[:, list(hours)].mean()) for ms, traits in posts]

    def expected_actual(self, posts: Sequence[tuple[int, Traits]]) -> list[float]:
        """Expected follows of each post as it was made."""
        return [float(self.expected_follows(self.day(ms), t)[STYLES.index(t.style), self.hour(ms)]) for ms, t in posts]


def _ages(quantiles: np.ndarray, first_hour: float) -> np.ndarray:
    """Ages in hours at which the growth curve passes the given quantiles, sorted."""
    ages = (np.log1p(-quantiles) / np.log1p(-first_hour)) ** (1 / GROWTH_POWER)
    return np.sort(ages)
