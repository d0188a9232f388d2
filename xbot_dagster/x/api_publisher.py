"""The official API v2 as a publisher: one POST a submit, no automatic retry, every documented refusal a typed result."""

import base64
import html
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from xbot_dagster.domain.publishing.pictures import MEDIA_TYPES
from xbot_dagster.settings import Settings
from xbot_dagster.x.api_client import ANSWER_SECONDS, ApiClient
from xbot_dagster.x.protocols import (
    Deferred,
    InDoubt,
    Media,
    NotSent,
    OutgoingPost,
    Posted,
    Probe,
    PublishResult,
    Rejected,
    SeenPost,
    SessionState,
    Timeline,
)

LOOK_BACK = 40
CREDITS_DEPLETED = 402
# Words of the API's refusals, in the order in which they are looked for, and the code of X's website that means the same.
_REFUSALS = (
    ("duplicate content", 187),
    ("already said that", 187),
    ("deleted or not visible", 385),
    ("restricted who can reply", 433),
    ("reply to this conversation is not allowed", 433),
    ("temporarily locked", 326),
    ("suspended", 64),
    ("automated", 226),
    ("daily limit", 344),
    ("too long", 186),
    ("needs to be a bit shorter", 186),
)
_LATER = {344, 185, 88}
Spent = Callable[[str, str, int], None]


def no_ledger(account: str, purpose: str, count: int) -> None:
    """Nobody keeps count of what reading costs."""


class ApiPublisher:
    """`spent(account, purpose, count)` is told of every paid read; what a created post costs is told by whoever stores it."""

    name = "x_api"
    real = True

    def __init__(self, settings: Settings, spent: Spent = no_ledger, *, seconds: float = ANSWER_SECONDS) -> None:
        """Raises SettingsError when the keys are not complete."""
        self._api = ApiClient(settings, seconds)
        self._spent = spent
        self._ids: dict[str, str] = {}

    def probe(self, account: str, handle: str) -> Probe:
        """Who the tokens belong to, and that account's newest posts."""
        import requests
        import tweepy

        try:
            me = self._api.call("GET", "/2/users/me")["data"]
            self._spent(account, "user_read", 1)
        except tweepy.HTTPException as error:
            return Probe(_session_state(error), None, None, _words(error), error.response.status_code >= 500)
        except (requests.RequestException, KeyError, ValueError) as error:
            return Probe("unknown", None, None, f"no answer from the API: {type(error).__name__}", transient=True)
        if str(me["username"]).lower() != handle.lower():
            return Probe("expired", me["username"], None, f"the keys belong to @{me['username']}, not to @{handle}")
        self._ids[handle.lower()] = str(me["id"])
        seen = self.timeline(account, handle, datetime.fromtimestamp(0, UTC))
        return Probe("ok", handle, seen) if seen.readable else Probe("unknown", handle, None, seen.reason)

    def publish(self, post: OutgoingPost, arm: Callable[[], None]) -> PublishResult:
        """Create one post. A time-out, a dropped connection, a 5xx or an answer without an id may all be live: InDoubt."""
        import requests
        import tweepy

        body: dict[str, Any] = {"text": post.text}
        if post.media:
            ids = self._upload_all(post)
            if not isinstance(ids, list):
                return ids
            body["media"] = {"media_ids": ids}
        if post.reply_to:
            body["reply"] = {"in_reply_to_tweet_id": post.reply_to}
        arm()
        try:
            answer = self._api.call("POST", "/2/tweets", body=body)
        except tweepy.TooManyRequests as error:
            return Deferred(_moment(error.reset_time), 429, _words(error))
        except tweepy.TwitterServerError as error:
            return InDoubt(_words(error), {"http_status": error.response.status_code})
        except tweepy.HTTPException as error:
            if error.response.status_code < 400:
                return InDoubt(_words(error), {"http_status": error.response.status_code})
            return _refusal(error)
        except (requests.RequestException, ValueError) as error:
            return InDoubt(f"no answer to the submit: {type(error).__name__}")
        data = answer.get("data") if isinstance(answer, dict) else None
        tweet_id = data.get("id") if isinstance(data, dict) else None
        if not tweet_id:
            return InDoubt("the API answered without an id", {"answer": str(answer)[:400]})
        return Posted(str(tweet_id), "response")

    def _upload_all(self, post: OutgoingPost) -> list[str] | NotSent | Deferred:
        """The ids of the post's pictures, uploaded with their alternative texts. Nothing of this is visible to anybody yet."""
        import requests
        import tweepy

        try:
            return [self._upload(post.account, picture) for picture in post.media]
        except tweepy.TooManyRequests as error:
            return Deferred(_moment(error.reset_time), 429, _words(error))
        except tweepy.HTTPException as error:
            return NotSent(f"a picture was not taken: {_words(error)}", {"http_status": error.response.status_code})
        except (requests.RequestException, KeyError, TypeError, ValueError) as error:
            return NotSent(f"a picture could not be uploaded: {type(error).__name__}")
        except OSError as error:
            return NotSent(f"a picture cannot be read: {error.strerror}")

    def _upload(self, account: str, picture: Media) -> str:
        body = {
            "media": base64.b64encode(picture.path.read_bytes()).decode(),
            "media_category": "tweet_image",
            "media_type": MEDIA_TYPES[picture.path.suffix.removeprefix(".")],
        }
        media_id = str(self._api.call("POST", "/2/media/upload", body=body)["data"]["id"])
        alt = {"id": media_id, "metadata": {"alt_text": {"text": picture.alt_text}}}
        self._api.call("POST", "/2/media/metadata", body=alt)
        self._spent(account, "media_metadata", 1)
        return media_id

    def timeline(self, account: str, handle: str, since: datetime) -> Timeline:
        """The newest posts and replies of the account. Needs the id that the probe learned, and asks for it otherwise."""
        import requests
        import tweepy

        params = {
            "max_results": LOOK_BACK,
            "tweet.fields": "created_at,text,note_tweet,referenced_tweets,in_reply_to_user_id",
        }
        try:
            user_id = self._ids.get(handle.lower()) or self._user_id(account, handle)
            found = self._api.call("GET", f"/2/users/{user_id}/tweets", params=params)
        except tweepy.HTTPException as error:
            return Timeline((), False, _words(error))
        except (requests.RequestException, KeyError, ValueError) as error:
            return Timeline((), False, f"no answer from the API: {type(error).__name__}")
        rows = found.get("data") or []
        self._spent(account, "owned_read", max(1, len(rows)))
        return Timeline(tuple(_seen(row, handle) for row in rows), True)

    def close(self) -> None:
        self._api.close()

    def _user_id(self, account: str, handle: str) -> str:
        me = self._api.call("GET", "/2/users/me")["data"]
        self._spent(account, "user_read", 1)
        if str(me["username"]).lower() != handle.lower():
            raise ValueError(f"the keys belong to @{me['username']}")
        self._ids[handle.lower()] = str(me["id"])
        return self._ids[handle.lower()]


def _seen(row: dict[str, Any], handle: str) -> SeenPost:
    references = {r.get("type"): r.get("id") for r in row.get("referenced_tweets") or []}
    long_text = (row.get("note_tweet") or {}).get("text")
    return SeenPost(
        tweet_id=str(row["id"]),
        # The API escapes &, < and > as on a page.
        text=html.unescape(long_text or row.get("text", "")),
        posted_at=datetime.fromisoformat(row["created_at"]),
        handle=handle,
        in_reply_to=references.get("replied_to"),
        repost="retweeted" in references,
    )


def _refusal(error: Any) -> Rejected | Deferred:
    """An explicit no, with the code X's website has for it where the words say which."""
    status, words = error.response.status_code, _words(error)
    if status == CREDITS_DEPLETED:
        return Deferred(None, CREDITS_DEPLETED, words)
    codes = [code for code in error.api_codes if isinstance(code, int)]
    code = codes[0] if codes else next((c for phrase, c in _REFUSALS if phrase in words.lower()), status)
    return Deferred(None, code, words) if code in _LATER else Rejected(code, words)


def _session_state(error: Any) -> SessionState:
    status, words = error.response.status_code, _words(error).lower()
    if "suspended" in words:
        return "suspended"
    if "locked" in words:
        return "locked"
    if status == 401:
        return "expired"
    return "challenge" if status == 403 else "unknown"


def _words(error: Any) -> str:
    """The API's own words, in one line."""
    said = [str(message) for message in error.api_messages] or [f"HTTP {error.response.status_code}"]
    return " ".join(" ".join(said).split())[:300]


def _moment(seconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None
