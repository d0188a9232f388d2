"""The counts of one post as a value: what a source measured, None where it could not see (never 0)."""

from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True)
class Counts:
    """Cumulative counts since the post appeared. `retweets` from a browser includes quotes: X's own pages add the two."""

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
        return asdict(self)

    def known(self) -> dict[str, int]:
        return {name: value for name, value in asdict(self).items() if value is not None}


FIELDS = tuple(field.name for field in fields(Counts))
