"""HTML that cannot be injected into: every text and attribute is escaped where it enters, only this module makes
`Html`."""

from collections.abc import Iterable
from html import escape
from typing import Any

_VOID = frozenset({"link", "meta", "br", "hr", "img", "input", "path", "circle", "line", "rect", "polyline", "polygon"})


class Html(str):
    """Markup that is safe to put into a page."""

    __slots__ = ()

    def __add__(self, other: str) -> "Html":
        return Html(str.__add__(self, text(other)))


EMPTY = Html("")


def text(value: object) -> Html:
    """Any value as escaped text; None is nothing."""
    if isinstance(value, Html):
        return value
    return EMPTY if value is None else Html(escape(str(value), quote=True))


def join(parts: Iterable[object], between: str = "") -> Html:
    """Parts one after the other; anything that is not `Html` is escaped."""
    return Html(escape(between).join(text(part) for part in parts))


def tag(name: str, /, *children: object, **attributes: Any) -> Html:
    """An element. Attribute names: a trailing `_` is dropped, `_` becomes `-`; None and False leave the attribute out.

    A child that is a list or tuple is flattened; strings are escaped.
    """
    head = name
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        label = key.rstrip("_").replace("_", "-")
        head += f" {label}" if value is True else f' {label}="{escape(str(value), quote=True)}"'
    if name in _VOID:
        return Html(f"<{head}/>")
    body = "".join(join(child) if isinstance(child, list | tuple) else text(child) for child in children)
    return Html(f"<{head}>{body}</{name}>")


def lines(value: str) -> Html:
    """Text with its line ends kept."""
    return join((part if index == 0 else Html("<br/>") + text(part) for index, part in enumerate(value.split("\n"))))
