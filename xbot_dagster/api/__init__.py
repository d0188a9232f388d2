"""The HTTP interface on the loop: figures, decisions, approvals, alerts and the admin actions. It only reads rows,
calls stages and starts jobs; the loop itself never runs inside it."""
