"""Embeddings: offline, named, never mixed; novelty by hand."""

from __future__ import annotations

import logging
import socket

import numpy as np
import pytest

from xbot_dagster.domain.measuring.embedders import (
    EmbedderMismatch,
    Embedding,
    WordLlamaEmbedder,
    embed_one,
    novelty,
    without_links,
)


def test_wordllama_works_with_the_network_closed(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    rows = WordLlamaEmbedder().embed(["Sleep is good for you.", "Rest helps people.", "The stock market fell."])
    assert rows.shape == (3, 256)
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
    assert rows[0] @ rows[1] > rows[0] @ rows[2]


def test_a_vector_does_not_depend_on_its_neighbours():
    embedder = WordLlamaEmbedder()
    alone = embedder.embed(["Sleep is good."])[0]
    together = embedder.embed(
        ["a much longer text about many other things, so that padding differs", "Sleep is good."]
    )[1]
    assert np.array_equal(alone, together)


def test_root_logger_is_left_alone():
    before = list(logging.getLogger().handlers)
    WordLlamaEmbedder().embed(["x"])
    assert logging.getLogger().handlers == before


def test_links_are_not_embedded():
    embedder = WordLlamaEmbedder()
    assert without_links("read https://example.com/x  now") == "read now"
    assert np.array_equal(embedder.embed(["read https://example.com/x now"]), embedder.embed(["read now"]))
    assert embed_one(embedder, "https://example.com/x") is None


def test_novelty_by_hand():
    base = Embedding("e", (1.0, 0.0))
    assert novelty(base, []) == 1.0
    assert novelty(base, [Embedding("e", (2.0, 0.0))]) == 0.0
    assert novelty(base, [Embedding("e", (0.0, 1.0)), Embedding("e", (1.0, 1.0))]) == pytest.approx(1 - 1 / np.sqrt(2))
    assert novelty(base, [Embedding("e", (-1.0, 0.0))]) == 1.0
    assert novelty(base, [Embedding("e", (0.0, 0.0))]) == 1.0


@pytest.mark.parametrize("other", [Embedding("f", (1.0, 0.0)), Embedding("e", (1.0, 0.0, 0.0))])
def test_vectors_of_different_embedders_are_not_compared(other):
    with pytest.raises(EmbedderMismatch, match="cannot be compared"):
        novelty(Embedding("e", (1.0, 0.0)), [other])
