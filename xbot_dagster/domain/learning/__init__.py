"""What the account learns from its posts: rewards, policies, predictors, experiments, off-policy evaluation.

Pure Python and numpy: rows come in as dataclasses, decisions and JSON-serialisable states go out. Reading rows, writing
versions and asking for the time belong to `stages/` and `store/`. Start reading at `policy.py`, the interface both
policies share.
"""
