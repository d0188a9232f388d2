"""Scales of an account: how many see a post and how many of them react. Figures come from three real analytics exports."""

from dataclasses import dataclass
from typing import NamedTuple


class Measure(NamedTuple):
    """Mean per impression, over-dispersion (variance = mu + alpha mu^2), and the steered measure whose effects it
    shares."""

    rate: float
    alpha: float
    path: str


@dataclass(frozen=True)
class Regime:
    """Scales of an account: median impressions of an average post and rates per impression (sources: three real
    exports)."""

    impressions: float
    sigma: float  # standard deviation of log impressions
    style_sd: float
    measures: dict[str, Measure]


def _regime(impressions: float, follows: float, retweets: float, replies: float, style_sd: float = 0.35) -> Regime:
    return Regime(
        impressions=impressions,
        sigma=0.9,
        style_sd=style_sd,
        measures={
            "follows": Measure(follows, 0.8, "follows"),
            "retweets": Measure(retweets, 0.25, "retweets"),
            "replies": Measure(replies, 0.5, "replies"),
            "likes": Measure(6.5 * retweets, 0.25, "retweets"),
            "quotes": Measure(0.12 * retweets, 0.5, "retweets"),
            "bookmarks": Measure(0.9 * retweets, 0.4, "retweets"),
            "profile_visits": Measure(1.8e-3, 0.5, "follows"),
            "detail_expands": Measure(11e-3, 0.3, "replies"),
            "link_clicks": Measure(4e-3, 0.8, "retweets"),
        },
    )


REGIMES = {
    "demo": _regime(3000.0, 0.25e-3, 2.0e-3, 0.8e-3, style_sd=0.40),
    "mid": _regime(1200.0, 0.8e-3, 1.3e-3, 0.5e-3),
    "sparse": _regime(4000.0, 0.077e-3, 1.3e-3, 0.17e-3),
}
