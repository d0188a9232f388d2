"""The random state of a training: from the deployment's seed, the account and the kind, the same for every version.

Versions that differ in data alone must not differ in luck as well, and a back-test must give the same bits tomorrow.
"""

from sqlalchemy import Connection

from xbot_dagster.domain.content.seeding import seeded
from xbot_dagster.store import learning


def random_state(conn: Connection, account: str, kind: str) -> int:
    """An integer below 2**31."""
    return int(seeded(learning.deployment_seed(conn), "train", account, kind).integers(2**31))
