"""Which pictures X takes, told by their own first bytes and not by the name of the file."""

MAX_BYTES = 5 * 1024 * 1024
MAX_PER_POST = 4
MAX_ALT = 1000
# ending -> the media type X's API wants to hear
MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}


def ending_of(content: bytes) -> str | None:
    """'png', 'jpg' or 'webp', or None for anything else."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if content.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    return None


def complaint(content: bytes, alt_text: str) -> str | None:
    """One sentence saying why this picture cannot be attached, or None."""
    if not alt_text.strip():
        return "a picture needs its alternative text: what it shows, for people who do not see it"
    if len(alt_text) > MAX_ALT:
        return f"the alternative text has {len(alt_text)} characters, {MAX_ALT} are allowed"
    if len(content) > MAX_BYTES:
        return f"the file has {len(content) / 2**20:.1f} MB, {MAX_BYTES // 2**20} MB are allowed"
    if ending_of(content) is None:
        return "the file is no PNG, JPEG or WebP picture"
    return None
