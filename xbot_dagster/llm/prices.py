"""What a call costs, in USD. Prices come from genai-prices' bundled data; OPENAI_PRICE_OVERRIDES wins over it."""

import json
from dataclasses import dataclass
from decimal import Decimal

from xbot_dagster.errors import BudgetExceeded, SettingsError
from xbot_dagster.settings import Settings

PER = Decimal(1_000_000)
# What an unknown model is counted at when BUDGET_STRICT=false: dearer than any small model, so that the limit errs early.
UNKNOWN_MODEL = {"input": Decimal("5"), "cached": Decimal("5"), "output": Decimal("20")}


@dataclass(frozen=True)
class Tokens:
    """`input` includes `cached`."""

    input: int
    output: int = 0
    cached: int = 0


class Prices:
    """Looks up and computes prices. `strict`: an unknown model raises BudgetExceeded instead of being guessed."""

    def __init__(self, settings: Settings) -> None:
        self.strict = settings.BUDGET_STRICT
        self.overrides = parse_overrides(settings.OPENAI_PRICE_OVERRIDES)

    def cost(self, model: str, tokens: Tokens) -> float:
        """USD for `tokens` of `model`, to a billionth. Raises BudgetExceeded for an unknown model under BUDGET_STRICT."""
        price = self.overrides.get(model)
        if price is None:
            from genai_prices import Usage, calc_price

            try:
                usage = Usage(input_tokens=tokens.input, cache_read_tokens=tokens.cached, output_tokens=tokens.output)
                return float(round(calc_price(usage, model, provider_id="openai").total_price, 9))
            except LookupError:
                if self.strict:
                    raise BudgetExceeded(
                        f"The price of the model '{model}' is not known, so BUDGET_STRICT refuses to call it.",
                        'Set OPENAI_PRICE_OVERRIDES, for example {"'
                        + model
                        + '": {"input": 0.15, "output": 0.6}} (USD per million tokens).',
                    ) from None
                price = UNKNOWN_MODEL
        fresh = tokens.input - tokens.cached
        total = (fresh * price["input"] + tokens.cached * price["cached"] + tokens.output * price["output"]) / PER
        return float(round(total, 9))


def parse_overrides(raw: str) -> dict[str, dict[str, Decimal]]:
    """OPENAI_PRICE_OVERRIDES: `{"model": {"input": 0.15, "cached": 0.075, "output": 0.6}}`, USD per million tokens."""
    if not raw.strip():
        return {}
    hint = 'Expected {"model": {"input": 0.15, "cached": 0.075, "output": 0.6}} in USD per million tokens.'
    try:
        document = json.loads(raw)
    except json.JSONDecodeError:
        raise SettingsError("OPENAI_PRICE_OVERRIDES is not JSON.", hint) from None
    if not isinstance(document, dict):
        raise SettingsError("OPENAI_PRICE_OVERRIDES is not a JSON object.", hint)
    table = {}
    for model, price in document.items():
        numbers = isinstance(price, dict) and {"input"} <= set(price) <= {"input", "cached", "output"}
        if not numbers or any(isinstance(v, bool) or not isinstance(v, int | float) or v < 0 for v in price.values()):
            raise SettingsError(f"OPENAI_PRICE_OVERRIDES has no usable price for '{model}'.", hint)
        fresh = Decimal(str(price["input"]))
        table[model] = {
            "input": fresh,
            "cached": Decimal(str(price.get("cached", fresh))),
            "output": Decimal(str(price.get("output", 0))),
        }
    return table
