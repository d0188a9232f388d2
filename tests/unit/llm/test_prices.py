"""Prices: documented figures, cached tokens, overrides, unknown models."""

import pytest

from xbot_dagster.errors import BudgetExceeded, SettingsError
from xbot_dagster.llm.prices import Prices, Tokens
from xbot_dagster.settings import load_settings


def prices(**flags: str) -> Prices:
    return Prices(load_settings(flags))


def test_the_documented_prices() -> None:
    assert prices().cost("gpt-4o-mini", Tokens(1_000_000, 1_000_000)) == pytest.approx(0.15 + 0.60)
    assert prices().cost("gpt-4o-mini", Tokens(1_000_000, 0, 1_000_000)) == pytest.approx(0.075)
    assert prices().cost("gpt-4o-mini", Tokens(1000, 300, 500)) == pytest.approx(0.0002925)
    assert prices().cost("text-embedding-3-small", Tokens(1_000_000)) == pytest.approx(0.02)
    assert prices().cost("gpt-4o-mini-2024-07-18", Tokens(1_000_000)) == pytest.approx(0.15)


def test_an_unknown_model_is_refused_or_counted_dearly() -> None:
    with pytest.raises(BudgetExceeded, match="price of the model 'nobody-1' is not known") as caught:
        prices().cost("nobody-1", Tokens(10))
    assert "OPENAI_PRICE_OVERRIDES" in caught.value.hint
    assert prices(BUDGET_STRICT="false").cost("nobody-1", Tokens(1_000_000)) == 5


def test_overrides_win() -> None:
    own = prices(
        OPENAI_PRICE_OVERRIDES='{"nobody-1": {"input": 1, "cached": 0.5, "output": 2}, "gpt-4o-mini": {"input": 9}}'
    )
    assert own.cost("nobody-1", Tokens(1_000_000, 1_000_000, 400_000)) == pytest.approx(0.6 + 0.2 + 2)
    assert own.cost("gpt-4o-mini", Tokens(1_000_000)) == 9


@pytest.mark.parametrize(
    "raw",
    [
        "{",
        "[]",
        '{"m": 1}',
        '{"m": {}}',
        '{"m": {"input": "x"}}',
        '{"m": {"input": -1}}',
        '{"m": {"input": 1, "in": 2}}',
        '{"m": {"input": true}}',
    ],
)
def test_wrong_overrides_are_one_sentence(raw: str) -> None:
    with pytest.raises(SettingsError, match="OPENAI_PRICE_OVERRIDES"):
        prices(OPENAI_PRICE_OVERRIDES=raw)
