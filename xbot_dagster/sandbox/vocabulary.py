"""The names shared by audience, writer and content: styles are the arms of the bandit, hooks and topics its context."""

STYLES = (
    "educational",
    "how_to",
    "checklist",
    "myth_check",
    "story",
    "question",
    "contrarian",
    "analogy",
    "reflection",
    "challenge",
)
HOOKS = ("did-you-know", "new-study", "question", "contrarian", "cta", "none")
TOPICS = (
    "sleep",
    "walking",
    "reading",
    "journaling",
    "focus",
    "note-taking",
    "home-cooking",
    "morning-routine",
    "digital-calm",
    "learning",
    "stretching",
    "weekly-planning",
)
