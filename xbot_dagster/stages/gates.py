"""The gate chain on the database: one text judged, its verdicts logged; dead gates raise an alert.

The rules are `domain.content.chain`; here are the lookups it asks for and the configuration it runs with.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine

from xbot_dagster.domain.content import chain, duplicate
from xbot_dagster.domain.content.brief import Voice
from xbot_dagster.domain.content.chain import ChainConfig, ChainResult
from xbot_dagster.domain.content.duplicate import Nearest
from xbot_dagster.domain.content.rotation import TopicCount
from xbot_dagster.domain.content.safety import SafetyConfig
from xbot_dagster.domain.content.verdicts import FAIL_MODES, Unavailable
from xbot_dagster.store import alerts, gate_facts, verdicts
from xbot_dagster.store.config import LiveConfig
from xbot_dagster.store.deployment import Account
from xbot_dagster.store.gate_facts import GateFacts

log = logging.getLogger("xbot")


@dataclass(frozen=True)
class Judged:
    """One text to judge. `vector` None with `vector_missing` says why there is no embedding (the duplicate gate then blocks)."""

    decision_id: UUID
    account: str
    parts: tuple[str, ...]
    topic: str
    content_hash: str
    embedder: str
    vector: Sequence[float] | None
    vector_missing: str = "the text has no words to embed"
    reply_to: str | None = None
    moderation: str | Unavailable | None = None


class StoredFacts:
    """The chain's lookups, answered by Postgres in the caller's transaction: all at once, when the first gate asks."""

    def __init__(self, conn: Connection, judged: Judged) -> None:
        self.conn = conn
        self.judged = judged

    @cached_property
    def _facts(self) -> GateFacts:
        judged = self.judged
        return gate_facts.read(
            self.conn,
            decision_id=judged.decision_id,
            account=judged.account,
            topic=judged.topic,
            content_hash=judged.content_hash,
            embedder=judged.embedder,
            vector=judged.vector,
        )

    def exact_match(self) -> str | None:
        return self._facts.exact

    def nearest(self) -> Nearest | Unavailable | None:
        return Unavailable(self.judged.vector_missing) if self.judged.vector is None else self._facts.nearest

    def topic_count(self) -> TopicCount | Unavailable:
        return self._facts.topics


def chain_config(live: LiveConfig, account: Account, embedder: str, raw_content: dict[str, Any]) -> ChainConfig:
    """What the chain of one account runs with: live configuration, voice file, and the embedder's threshold."""
    voice = Voice.from_record(account.voice)
    return ChainConfig(
        safety=SafetyConfig(
            max_hashtags=live.max_hashtags,
            hashtags_allowed=voice.hashtags,
            mentions_allowed=tuple(str(each).lstrip("@").lower() for each in raw_content.get("mentions_allowed", ())),
            url_policy=str(raw_content.get("url_policy", "block")),
            domains=tuple(str(each).lower() for each in raw_content.get("domains_allowed", ())),
            banned_phrases=voice.banned_phrases,
        ),
        duplicate_threshold=duplicate.threshold_for(embedder),
        language=voice.language,
    )


def judge(conn: Connection, judged: Judged, with_config: ChainConfig) -> ChainResult:
    """Run the chain on one text. Writes nothing; logs a line per verdict, in one record: Dagster stores each record as an event."""
    result = chain.run(
        judged.parts, StoredFacts(conn, judged), with_config, reply_to=judged.reply_to, moderation=judged.moderation
    )
    log.info("\n".join(verdict.line(judged.decision_id) for verdict in result.verdicts))
    return result


def alert_dead_gates(engine: Engine) -> list[str]:
    """Raise an alert for each gate that let nothing through lately, close those that recovered; the dead ones."""
    with engine.begin() as conn:
        dead = verdicts.dead_gates(conn)
        for gate in FAIL_MODES:
            if gate in dead:
                alerts.raise_alert(
                    conn,
                    "gate_blocks_everything",
                    gate,
                    severity="critical",
                    message=f"The {gate} gate passed none of its last {verdicts.DEAD_AFTER} texts.",
                    fix="Look at its reasons with: xbot gates",
                )
            else:
                alerts.close_alert(conn, "gate_blocks_everything", gate)
    return dead
