"""What others produce: the places content comes from, the people who address us, the predictor that serves."""

import dagster as dg

content_sources = dg.AssetSpec(
    "content_sources",
    group_name="content",
    kinds={"postgres"},
    description="Feeds, topic banks, evergreen items and manual ideas: rows that a person edits (`xbot sources`).",
)

x_mentions = dg.AssetSpec(
    "x_mentions",
    group_name="content",
    kinds={"x"},
    description="Posts of people who mention us or quote us on X: the only ones a reply may go to.",
)

serving_predictor = dg.AssetSpec(
    "serving_predictor",
    group_name="learning",
    kinds={"redis"},
    description=(
        "The promoted predictors: one ranks drafts, one tells what an hour is expected to bring. Promotion reports it; "
        "it is external because the way back from predictors to "
        "decisions is a cycle in time, not in the graph. Each decision stores the version it used."
    ),
)
