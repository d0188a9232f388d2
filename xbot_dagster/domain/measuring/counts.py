"""The counts of one post as a value: what a source measured, None where it could not see (never 0)."""

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Counts:
    """Cumulative counts since the post appeared.

    `retweets` means the same from every source: reposts with and without words of their own, as X's pages show them.
    `quotes` says how many of them had words, where a source tells the two apart.
    """

    impressions: int | None = None
    engagements: int | None = None
    likes: int | None = None
    retweets: int | None = None
    replies: int | None = None
    quotes: int | None = None
    bookmarks: int | None = None
    profile_visits: int | None = None
    link_clicks: int | None = None
    follows: int | None = None

    def as_dict(self) -> dict[str, int | None]:
        return {name: getattr(self, name) for name in FIELDS}

    def known(self) -> dict[str, int]:
        return {name: value for name in FIELDS if (value := getattr(self, name)) is not None}


FIELDS = tuple(field.name for field in fields(Counts))


def with_quotes(counts: dict[str, int]) -> dict[str, int]:
    """Counts of a source that reports plain reposts and quotes apart, with `retweets` as their sum.

    Where the quotes are missing the sum is unknown, and so is `retweets`.
    """
    together = {name: value for name, value in counts.items() if name != "retweets"}
    if "retweets" in counts and "quotes" in counts:
        together["retweets"] = counts["retweets"] + counts["quotes"]
    return together
