"""What must hold between tables, counted. Each function returns how many rows break one promise (0 = it holds)."""

from sqlalchemy import Connection, text


def _count(conn: Connection, sql: str) -> int:
    return conn.execute(text(sql)).scalar_one()


def decisions_without_propensity(conn: Connection) -> int:
    """Planned decisions whose choice, candidate set or propensity was not logged, over the last 30 days."""
    return _count(
        conn,
        """SELECT count(*) FROM content_metadata c LEFT JOIN decision_choices h USING (decision_id)
           WHERE c.generation_source IN ('real', 'synthetic') AND c.decision_type <> 'reply' AND c.status <> 'pending'
             AND c.created_at > xbot_now() - interval '30 days'
             AND (h.decision_id IS NULL OR c.propensity IS NULL OR h.candidates IN ('{}', '[]'))""",
    )


def queued_without_passed_gates(conn: Connection) -> int:
    """Decisions that may be or were published without four passed gates (or a person's word)."""
    return _count(
        conn,
        """SELECT count(*) FROM content_metadata c
           WHERE c.status IN ('queued', 'posting', 'posted', 'in_doubt') AND c.generation_source IN ('real', 'synthetic')
             AND c.created_at > xbot_now() - interval '30 days'
             AND (SELECT count(*) FROM gate_verdicts g WHERE g.decision_id = c.decision_id AND g.verdict = 'pass') < 4""",
    )


def posted_unlike_ledger(conn: Connection) -> int:
    """Decisions posted without exactly one posted attempt per part, or attempts posted without their decision."""
    return _count(
        conn,
        """SELECT count(*) FROM (
               SELECT p.decision_id FROM posted_decisions p JOIN content_metadata c USING (decision_id)
               LEFT JOIN posting_attempts a ON a.decision_id = p.decision_id AND a.state = 'posted'
               WHERE c.generation_source <> 'import' AND p.posted_at > xbot_now() - interval '30 days'
               GROUP BY p.decision_id, p.parts HAVING count(a.part) <> p.parts) broken""",
    )


def overdue_passes(conn: Connection) -> int:
    """Posts whose pass has been due for more than two hours."""
    return _count(conn, "SELECT count(*) FROM posted_decisions WHERE next_due_at < xbot_now() - interval '2 hours'")


def foreign_family_outcomes(conn: Connection) -> int:
    """Outcomes whose `simulated` mark contradicts the deployment's family."""
    return _count(conn, "SELECT count(*) FROM outcomes o, deployment d WHERE o.simulated <> (d.family = 'sandbox')")


def unbalanced_follower_windows(conn: Connection) -> int:
    """Attribution windows whose parts and rest do not sum to the change between their snapshots."""
    return _count(
        conn,
        """SELECT count(*) FROM (
               SELECT a.account, a.window_end, a.method FROM follower_attribution a
               JOIN follower_snapshots s0 ON s0.account = a.account AND s0.taken_at = a.window_start
               JOIN follower_snapshots s1 ON s1.account = a.account AND s1.taken_at = a.window_end
               GROUP BY a.account, a.window_end, a.method, s0.followers, s1.followers
               HAVING abs(sum(a.follows) - (s1.followers - s0.followers)) > 1e-6) broken""",
    )
