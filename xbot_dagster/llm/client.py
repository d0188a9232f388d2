"""The budgeted client: the one object through which anything is asked of OpenAI (or of the sandbox's writer).

Every call reserves its worst price first, settles what it really cost, and gives the reservation back when it failed.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import numpy as np

from xbot_dagster.clock import Clock
from xbot_dagster.domain.content.brief import Brief
from xbot_dagster.domain.content.drafts import SCHEMA, Readable, RejectedDraft, Unreadable, read
from xbot_dagster.errors import CircuitOpen, QuotaExhausted, SettingsError
from xbot_dagster.llm import retry
from xbot_dagster.llm.ledger import Ledger, LlmAnswerUnusable, LlmFailed
from xbot_dagster.llm.prices import Prices, Tokens
from xbot_dagster.llm.templates import render
from xbot_dagster.settings import Settings, is_loopback

if TYPE_CHECKING:
    from openai import OpenAI

log = logging.getLogger("xbot")
Answer = TypeVar("Answer")

EMBEDDING_MODEL = "text-embedding-3-small"
EMBEDDING_DIM = 256
MODERATION_MODEL = "omni-moderation-latest"
# Upper bounds for the reservation: few texts need more than a token for three bytes, and a message costs a few more.
BYTES_PER_TOKEN = 3
MESSAGE_OVERHEAD_TOKENS = 60
LONGEST_TEXT_SHOWN = 200


@dataclass(frozen=True)
class DraftSet:
    """What one slot's call brought. `drafts` is never empty; `usage_id` names the ledger entry of the answer that was used."""

    drafts: tuple[tuple[str, ...], ...]
    rejected: tuple[RejectedDraft, ...]
    model: str
    prompt_version: str
    usage_id: int
    repaired: bool


class BudgetedClient:
    """One per run, for all its threads. `rng` only shapes the jitter of waits."""

    def __init__(
        self, ledger: Ledger, settings: Settings, clock: Clock, *, rng: np.random.Generator | None = None
    ) -> None:
        self.ledger = ledger
        self.settings = settings
        self.clock = clock
        self.rng = rng if rng is not None else np.random.default_rng()
        self.prices = Prices(settings)
        self.tick = retry.TickBudget()
        self._client: OpenAI | None = None
        self._connecting = Lock()

    def begin_tick(self) -> None:
        """A job's tick begins: it may use two retries in all."""
        self.tick = retry.TickBudget()

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def drafts(
        self, brief: Brief, *, account: str, decision_id: UUID | None = None, purpose: str = "content_generation"
    ) -> DraftSet:
        """All drafts of one slot from one call, with one repair attempt when the answer breaks the contract.

        Raises BudgetExceeded, CircuitOpen, QuotaExhausted, LlmAnswerUnusable, TickExhausted or LlmFailed.
        """
        prompt = render("reply" if brief.reply_to_text is not None else "post", brief)
        messages: list[dict[str, str]] = [
            {"role": "system", "content": prompt.system},
            {"role": "user", "content": prompt.user},
        ]
        first, usage_id, model = self._chat(messages, brief, account, decision_id, purpose)
        result = read(first, brief)
        if isinstance(result, Readable) and result.drafts:
            return DraftSet(result.drafts, result.rejected, model, prompt.version, usage_id, repaired=False)
        complaint = _complaint(result)
        log.warning("[OPENAI] ⚠️ answer broke the contract purpose=%s: %s; asking once more", purpose, complaint)
        messages += [
            {"role": "assistant", "content": (first or "")[:4000]},
            {
                "role": "user",
                "content": f"That cannot be used: {complaint}. Send the corrected JSON object and nothing else.",
            },
        ]
        second, usage_id, model = self._chat(messages, brief, account, decision_id, f"{purpose}_repair")
        repaired = read(second, brief)
        before = result.rejected if isinstance(result, Readable) else ()
        if isinstance(repaired, Readable) and repaired.drafts:
            return DraftSet(repaired.drafts, before + repaired.rejected, model, prompt.version, usage_id, repaired=True)
        raise LlmAnswerUnusable(f"The writer's answer could not be used, twice: {_complaint(repaired)}.")

    def embed(self, texts: Sequence[str], *, account: str, purpose: str = "embedding") -> np.ndarray:
        """Rows of unit length, shape (len(texts), 256), float32. Raises like `drafts`."""
        if not texts:
            return np.zeros((0, EMBEDDING_DIM), dtype=np.float32)
        size = sum(len(text.encode()) for text in texts) // BYTES_PER_TOKEN + len(texts)
        client = self._openai()
        response, _ = self._budgeted(
            lambda: client.embeddings.create(
                model=EMBEDDING_MODEL, input=list(texts), dimensions=EMBEDDING_DIM, encoding_format="float"
            ),
            account=account,
            purpose=purpose,
            model=EMBEDDING_MODEL,
            worst=Tokens(size),
            decision_id=None,
        )
        rows = np.array(
            [item.embedding for item in sorted(response.data, key=lambda item: item.index)], dtype=np.float32
        )
        if rows.shape != (len(texts), EMBEDDING_DIM):
            raise LlmFailed(
                f"The embedding answer has the shape {rows.shape} instead of {(len(texts), EMBEDDING_DIM)}."
            )
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)

    def moderate(self, texts: Sequence[str], *, account: str) -> list[str | None]:
        """Per text: None, or the flagged categories. The endpoint is free of charge. Raises like `drafts`."""
        if not texts:
            return []
        self._admit()
        log.info("[OPENAI] using budgeted client purpose=moderation model=%s", MODERATION_MODEL)
        client = self._openai()
        response = self._send(
            lambda: client.moderations.create(model=MODERATION_MODEL, input=list(texts)), "moderation"
        )
        if len(response.results) != len(texts):
            raise LlmFailed(f"The moderation answer judges {len(response.results)} texts instead of {len(texts)}.")
        return [_flags(result) if result.flagged else None for result in response.results]

    def _chat(
        self, messages: list[dict[str, str]], brief: Brief, account: str, decision_id: UUID | None, purpose: str
    ) -> tuple[str | None, int, str]:
        settings = self.settings
        ceiling = settings.OPENAI_MAX_TOKENS * brief.parts * brief.drafts
        size = (
            sum(len(message["content"].encode()) for message in messages) // BYTES_PER_TOKEN + MESSAGE_OVERHEAD_TOKENS
        )
        client = self._openai()
        payload: dict[str, Any] = {
            "model": settings.OPENAI_MODEL,
            "messages": messages,
            "temperature": settings.OPENAI_TEMPERATURE,
            "top_p": settings.OPENAI_TOP_P,
            "max_tokens": ceiling,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "drafts", "strict": True, "schema": SCHEMA},
            },
        }
        response, usage_id = self._budgeted(
            lambda: client.chat.completions.create(**payload),
            account=account,
            purpose=purpose,
            model=settings.OPENAI_MODEL,
            worst=Tokens(size, ceiling),
            decision_id=decision_id,
        )
        message = response.choices[0].message if response.choices else None
        text = (message.content or message.refusal) if message else None
        return text, usage_id, response.model or settings.OPENAI_MODEL

    def _budgeted(
        self,
        send: Callable[[], Answer],
        *,
        account: str,
        purpose: str,
        model: str,
        worst: Tokens,
        decision_id: UUID | None,
    ) -> tuple[Answer, int]:
        self._admit()
        reserved = self.prices.cost(model, worst)
        usage_id = self.ledger.reserve(
            account=account, purpose=purpose, model=model, usd=reserved, decision_id=decision_id
        )
        log.info("[OPENAI] using budgeted client purpose=%s model=%s", purpose, model)
        failure: str | None = "not answered"
        try:
            response = self._send(send, purpose)
            failure = None
        except (QuotaExhausted, LlmFailed) as error:
            failure = error.message
            raise
        finally:
            # Also for a defect on our side: money must not stay set aside.
            if failure is not None:
                self.ledger.release(usage_id, failure)
                log.info("[OPENAI] ↩️ refunded usd=%.6f purpose=%s reason=%s", reserved, purpose, failure)
        tokens = _tokens(response) or worst
        self.ledger.settle(
            usage_id,
            usd=self.prices.cost(model, tokens),
            input_tokens=tokens.input,
            cached_tokens=tokens.cached,
            output_tokens=tokens.output,
            request_id=getattr(response, "_request_id", None),
        )
        return response, usage_id

    def _send(self, send: Callable[[], Answer], purpose: str) -> Answer:
        from openai import OpenAIError

        try:
            return retry.call(send, purpose=purpose, clock=self.clock, rng=self.rng, tick=self.tick)
        except OpenAIError as error:
            if retry.is_insufficient_quota(error):
                self.ledger.open_circuit("insufficient_quota")
                raise QuotaExhausted(
                    "OpenAI answered insufficient_quota: the account has no credit left.",
                    "Top it up, then: xbot resume",
                ) from error
            raise LlmFailed(f"OpenAI did not answer the call for {purpose}: {_reason(error)}.") from error

    def _admit(self) -> None:
        if self.settings.AI_QUOTA_CIRCUIT_OPEN:
            raise CircuitOpen("AI_QUOTA_CIRCUIT_OPEN=true: no LLM call is made.", "Set it to false to allow calls.")

    def _openai(self) -> "OpenAI":
        with self._connecting:
            if self._client is None:
                self._client = self._connected()
            return self._client

    def _connected(self) -> "OpenAI":
        from openai import DefaultHttpxClient, OpenAI

        base_url = self.settings.OPENAI_BASE_URL
        local = base_url is not None and is_loopback(base_url)
        key = self.settings.OPENAI_API_KEY
        if key is None and not local:
            raise SettingsError("OPENAI_API_KEY is not set.", "Set it, or run in MODE=sandbox with the local writer.")
        return OpenAI(
            api_key=key.get_secret_value() if key else "local-writer",
            base_url=base_url,
            max_retries=0,
            timeout=self.settings.OPENAI_TIMEOUT_SECONDS,
            # A proxy of the shell must not stand between us and a server on this machine.
            http_client=DefaultHttpxClient(trust_env=False) if local else None,
        )


def _complaint(result: Readable | Unreadable) -> str:
    if isinstance(result, Unreadable):
        return result.reason
    return "; ".join(dict.fromkeys(draft.reason for draft in result.rejected))[:LONGEST_TEXT_SHOWN]


def _tokens(response: Any) -> Tokens | None:
    """What the answer says it used; None when it does not say."""
    usage = getattr(response, "usage", None)
    if usage is None or not getattr(usage, "total_tokens", 0):
        return None
    details = getattr(usage, "prompt_tokens_details", None)
    cached = min(getattr(details, "cached_tokens", None) or 0, usage.prompt_tokens)
    return Tokens(usage.prompt_tokens, getattr(usage, "completion_tokens", 0) or 0, cached)


def _flags(result: Any) -> str:
    flagged = [name for name, value in result.categories.model_dump(by_alias=True).items() if value]
    return f"flagged as {', '.join(sorted(flagged)) or 'unsafe'}"


def _reason(error: Exception) -> str:
    status = getattr(error, "status_code", None)
    text = " ".join(str(getattr(error, "message", error)).split())[:LONGEST_TEXT_SHOWN]
    return f"HTTP {status}, {text}" if status else text


class OpenAiEmbedder:
    """`text-embedding-3-small` cut to 256 dimensions, as an `Embedder` of domain.measuring.embedders."""

    name = f"openai:{EMBEDDING_MODEL}:{EMBEDDING_DIM}"
    dim = EMBEDDING_DIM

    def __init__(self, client: BudgetedClient, account: str) -> None:
        self.client = client
        self.account = account

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """See `Embedder.embed`; a text of nothing but links becomes a row of zeros."""
        from xbot_dagster.domain.measuring.embedders import without_links

        cleaned = [without_links(text) for text in texts]
        wanted = [index for index, text in enumerate(cleaned) if text]
        rows = np.zeros((len(texts), EMBEDDING_DIM), dtype=np.float32)
        if wanted:
            rows[wanted] = self.client.embed([cleaned[index] for index in wanted], account=self.account)
        return rows
