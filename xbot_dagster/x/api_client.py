"""The official API v2 through tweepy: one client for the publisher and the reader of metrics.

tweepy's own address and its missing time-out are replaced; it never sleeps for a rate limit and never tries again.
"""

from typing import TYPE_CHECKING, Any

from xbot_dagster.errors import SettingsError
from xbot_dagster.settings import X_OAUTH1, Settings

if TYPE_CHECKING:
    import tweepy

ANSWER_SECONDS = 30.0


class ApiClient:
    """`client` is tweepy's; `user_auth` says which of the two user tokens it signs with (OAuth 1.0a, else OAuth 2)."""

    def __init__(self, settings: Settings, seconds: float = ANSWER_SECONDS) -> None:
        """Raises SettingsError when neither the four OAuth 1.0a values nor an OAuth 2 user token are set, or tweepy (extra
        `api-x`) is missing."""
        keys = [getattr(settings, name) for name in X_OAUTH1]
        self.user_auth = all(keys)
        if not self.user_auth and settings.X_OAUTH2_TOKEN is None:
            missing = ", ".join(name for name, value in zip(X_OAUTH1, keys, strict=True) if not value)
            raise SettingsError(
                f"PUBLISHER=x_api needs the keys of an app with write access; missing: {missing}.",
                "Set the four OAuth 1.0a values, or X_OAUTH2_TOKEN (a user token with tweet.write and users.read).",
            )
        self._base = settings.X_API_BASE_URL
        self._seconds = seconds
        token = settings.X_OAUTH2_TOKEN.get_secret_value() if settings.X_OAUTH2_TOKEN else None
        secrets = [key.get_secret_value() if key else None for key in keys]
        self.client = _client(self._base, seconds, token, secrets)

    def call(self, method: str, route: str, params: dict[str, Any] | None = None, body: Any = None) -> dict[str, Any]:
        """One request as this user; the decoded answer. Raises tweepy's exceptions, and those of `requests` for silence."""
        answer = self.client.request(method, route, params=params, json=body, user_auth=self.user_auth)
        return answer.json()

    def close(self) -> None:
        self.client.session.close()


def _client(base: str, seconds: float, token: str | None, secrets: list[str | None]) -> "tweepy.Client":
    try:
        import tweepy
    except ModuleNotFoundError:
        raise SettingsError(
            "PUBLISHER=x_api needs the library tweepy, which is not installed.",
            "Install it with: pip install 'xbot-dagster[api-x]'",
        ) from None

    class Client(tweepy.Client):
        def request(
            self, method: str, route: str, params: Any = None, json: Any = None, user_auth: bool = False
        ) -> Any:
            headers = {"User-Agent": self.user_agent}
            auth = None
            if user_auth:
                auth = tweepy.OAuth1UserHandler(
                    self.consumer_key, self.consumer_secret, self.access_token, self.access_token_secret
                ).apply_auth()
            else:
                headers["Authorization"] = f"Bearer {self.bearer_token}"
            answer = self.session.request(
                method,
                base + route,
                params=params,
                json=json,
                headers=headers,
                auth=auth,
                timeout=seconds,
                # A redirected write would be sent twice.
                allow_redirects=False,
            )
            _raise_for(answer)
            return answer

    return Client(
        bearer_token=token,
        consumer_key=secrets[0],
        consumer_secret=secrets[1],
        access_token=secrets[2],
        access_token_secret=secrets[3],
        wait_on_rate_limit=False,
    )


def _raise_for(answer: Any) -> None:
    import tweepy

    if answer.status_code == 429:
        reset = answer.headers.get("x-rate-limit-reset", "")
        raise tweepy.TooManyRequests(answer, reset_time=int(reset) if reset.isdigit() else None)
    kinds = {400: tweepy.BadRequest, 401: tweepy.Unauthorized, 403: tweepy.Forbidden, 404: tweepy.NotFound}
    if answer.status_code in kinds:
        raise kinds[answer.status_code](answer)
    if answer.status_code >= 500:
        raise tweepy.TwitterServerError(answer)
    if not 200 <= answer.status_code < 300:
        raise tweepy.HTTPException(answer)
