"""Cells that a spreadsheet would run as a formula, made harmless and back again."""

_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "'")
_QUOTE = "'"


def safe_text(text: str) -> str:
    """`text` as a cell no spreadsheet runs: a leading quote before = + - @ tab and return (and before a quote, to undo it)."""
    return _QUOTE + text if text.startswith(_DANGEROUS) else text


def bare_text(cell: str) -> str:
    """The text that `safe_text` was given."""
    return cell[1:] if cell.startswith(_QUOTE) and cell[1:].startswith(_DANGEROUS) else cell
