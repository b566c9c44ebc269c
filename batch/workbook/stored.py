"""What a workbook stores apart from its cells: the texts that cells share, and which styles show a date."""

from __future__ import annotations

import re
from functools import cached_property
from html import unescape

from lxml import etree

from batch.workbook.places import Book
from batch.workbook.values import unescaped

_ELAPSED = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_BUILT_IN_DATES = {*range(14, 23), *range(45, 48)}
_NOT_FORMAT = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!(?:h+|m+|s+)\])[^\]]*\]', re.IGNORECASE)
_ITEM = re.compile(rb"<(?:\w+:)?si(?:\s[^<>]*)?(?:/>|>(.*?)</(?:\w+:)?si>)", re.DOTALL)
_PHONETIC = re.compile(rb"<(?:\w+:)?rPh[\s>].*?</(?:\w+:)?rPh>", re.DOTALL)
_TEXT = re.compile(rb"<(?:\w+:)?t(?:\s[^<>]*)?>([^<]*)</")


class Stored:
    """What the cells of one workbook refer to. The shared strings are unpacked when the first one is asked for."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self.since_1904 = book.since_1904
        with book.package.understanding(book.styles):
            dates = date_styles(book.package.xml(book.styles)) if book.styles else frozenset()
        self.dates = frozenset(b"%d" % style for style in dates) | ({None} if 0 in dates else set())

    @cached_property
    def _items(self) -> list[bytes]:
        strings = self._book.package.text(self._book.strings) if self._book.strings else b""
        return [] if b"<!" in strings else shared_items(strings)  # a comment may hide an item

    def text(self, index: str) -> str | None:
        """A shared string; None when there is none of that number."""
        return text_of(self._items[int(index)]) if index.isdigit() and int(index) < len(self._items) else None


def shared_items(strings: bytes) -> list[bytes]:
    """The inner XML of each shared string, in order."""
    return _ITEM.findall(strings)


def text_of(item: bytes) -> str:
    """The text of a shared or inline string, its formatted runs joined, pronunciation hints left out."""
    runs = _TEXT.findall(_PHONETIC.sub(b"", item))
    return unescaped(unescape(b"".join(runs).decode(errors="replace")))


def date_styles(styles: etree._Element) -> frozenset[int]:
    """The cell styles (indexes of `cellXfs`) whose number format shows a date or a time."""
    custom = {int(e.get("numFmtId", 0)): shows_date(e.get("formatCode", "")) for e in styles.iterfind("{*}numFmts/*")}
    formats = (int(xf.get("numFmtId", 0)) for xf in styles.iterfind("{*}cellXfs/{*}xf"))
    return frozenset(i for i, fmt in enumerate(formats) if custom.get(fmt, fmt in _BUILT_IN_DATES))


def elapsed_styles(styles: etree._Element) -> frozenset[int]:
    """The cell styles that show a length of time, such as `[h]:mm`."""
    custom = {int(e.get("numFmtId", 0)): e.get("formatCode", "") for e in styles.iterfind("{*}numFmts/*")}
    formats = (int(xf.get("numFmtId", 0)) for xf in styles.iterfind("{*}cellXfs/{*}xf"))
    return frozenset(i for i, f in enumerate(formats) if _ELAPSED.search(custom.get(f, "[h]" if f == 46 else "")))


def shows_date(code: str) -> bool:
    """Whether a number format shows a date or a time."""
    first = _NOT_FORMAT.sub("", code).split(";")[0].lower()
    return any(letter in first for letter in "ymdhs")
