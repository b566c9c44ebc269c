"""What a cell holds and how that stands in a sheet's XML: text, numbers, dates.

Text goes out as inline strings, so the shared strings of the workbook stay as they are. Excel reads `_x0041_` in
a file as `A`, so text that looks like that is escaped; characters that XML forbids become visible ones.
"""

from __future__ import annotations

import math
import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

MAX_TEXT = 32_767  # UTF-16 units, Excel's limit for a cell
MAX_LINK = 255  # characters, Excel's limit for a text inside a formula
LOCAL = "Europe/Warsaw"  # Allegro's sellers think in Polish time, wherever the PC stands


class _NotCalculated(Enum):
    """A formula that no program has calculated since it was typed or saved: its value is unknown, not blank."""

    NOT_CALCULATED = "not calculated"

    def __repr__(self) -> str:
        return "NOT_CALCULATED"


NOT_CALCULATED: Final = _NotCalculated.NOT_CALCULATED
NotCalculated: TypeAlias = Literal[_NotCalculated.NOT_CALCULATED]
Cell: TypeAlias = str | float | bool | datetime | date | time | timedelta | NotCalculated | None
Form: TypeAlias = str | float | Decimal | bool | None
"""What a cell really holds; a date is a number or a text by then."""
CellOut: TypeAlias = str | int | float | Decimal | datetime | date | bool | None


class Link(str):
    """An address that a click opens. The cell is a formula, because a link of Excel's own would need another part."""

    __slots__ = ()


_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_UNUSUAL = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")
_WORD = "[^\\s\x00-\x1f\ud800-\udfff\ufffe\uffff<>&_]+"
_SIMPLE = re.compile(f"{_WORD}(?: {_WORD})*")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_LINK = re.compile(r'HYPERLINK\("(?:[^"]|"")*"\)')
_LOOKS_ESCAPED = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")


def visible(text: str) -> str:
    """Text as a cell can hold it: line ends as `\\n`, forbidden characters visible, at most MAX_TEXT units long."""
    if _UNUSUAL.search(text):
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        text = _FORBIDDEN.sub(lambda m: chr(0x2400 + ord(m[0])) if m[0] < " " else "\ufffd", text)
    if len(text) * 2 > MAX_TEXT and len(units := text.encode("utf-16-le")) > 2 * MAX_TEXT:
        text = units[: 2 * MAX_TEXT].decode("utf-16-le", "ignore")  # half a character at the cut goes too
    return text


def unescaped(text: str) -> str:
    """Text of a file with Excel's `_xHHHH_` escapes undone."""
    if "_x" not in text:
        return text
    text = _ESCAPED.sub(lambda m: chr(int(m[1], 16)), text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # halves of a character join


def cell_text(text: str) -> bytes:
    """Text of a cell, escaped for Excel and for XML."""
    return xml_text(_LOOKS_ESCAPED.sub("_x005F_", text) if "_x" in text else text)


def is_simple(text: str) -> bool:
    """Whether a text can go into a cell as it stands: nothing to escape, and no blanks that XML would drop."""
    return len(text) <= MAX_TEXT // 2 and _SIMPLE.fullmatch(text) is not None


def xml_text(text: str) -> bytes:
    """Text between tags, escaped for XML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").encode()


def local(moment: date) -> datetime:
    """A date as a cell shows it, without a zone; an aware datetime is brought to Polish local time."""
    if not isinstance(moment, datetime):
        return datetime(moment.year, moment.month, moment.day)  # noqa: DTZ001  (cells know no zone)
    return moment if moment.tzinfo is None else moment.astimezone(ZoneInfo(LOCAL)).replace(tzinfo=None)


def link_formula(address: str) -> str:
    """The formula (without `=`) of a cell that a click opens and whose value is the address."""
    return 'HYPERLINK("{}")'.format(address.replace('"', '""'))


def is_link_formula(formula: str) -> bool:
    """Whether a formula is such a one: it refers to no cell."""
    return _LINK.fullmatch(formula) is not None


@lru_cache(maxsize=64)  # a run writes its one time beside every row
def serial(moment: date, *, since_1904: bool) -> float:
    """A date as Excel's count of days; an aware datetime is first brought to Polish local time."""
    epoch = datetime(1904, 1, 1) if since_1904 else datetime(1899, 12, 30)  # noqa: DTZ001
    passed = local(moment) - epoch
    return passed.days + round(passed.seconds / 86400, 10)


def written_form(value: CellOut, *, date_style: bool, since_1904: bool) -> Form:
    """What really goes into the cell: a date becomes a number only where the cell's style shows it as a date.

    Raises ValueError for a number that is not finite.
    """
    if isinstance(value, str):
        text = visible(value)
        if isinstance(value, Link):
            return Link(text) if 0 < len(text) <= MAX_LINK else str(text) or None
        return text or None
    if isinstance(value, date):
        if date_style:
            return serial(value, since_1904=since_1904)
        if isinstance(value, datetime) and value.tzinfo is not None:
            value = value.astimezone(ZoneInfo(LOCAL))
        return value.strftime("%Y-%m-%d %H:%M" if isinstance(value, datetime) else "%Y-%m-%d")
    if isinstance(value, (float, Decimal)) and not math.isfinite(value):
        msg = f"a cell cannot hold {value}"
        raise ValueError(msg)
    return value


def content(form: Form, p: bytes = b"") -> tuple[bytes, bytes]:
    """A written form as the type and the children of its `c` element; `p` is the sheet's prefix (`x:`)."""
    if isinstance(form, Link):
        return b"str", b"<%sf>%s</%sf><%sv>%s</%sv>" % (p, xml_text(link_formula(form)), p, p, cell_text(form), p)
    if isinstance(form, str):
        before, after = _around_text(p, form != form.strip() or "\n" in form or "  " in form)
        return b"inlineStr", before + cell_text(form) + after
    if form is None:
        return b"", b""
    if isinstance(form, bool):
        return b"b", b"<%sv>%d</%sv>" % (p, form, p)
    number = repr(form) if isinstance(form, float) else format(form, "f")
    return b"", b"<%sv>%s</%sv>" % (p, number.encode(), p)


@lru_cache(maxsize=16)
def _around_text(p: bytes, keep: bool, /) -> tuple[bytes, bytes]:
    """What stands before and after an inline text; `keep` says that its blanks count."""
    return b"<%sis><%st%s>" % (p, p, b' xml:space="preserve"' if keep else b""), b"</%st></%sis>" % (p, p)


def same_value(stored: str | float | bool | None, form: Form) -> bool:
    """Whether a cell already holds what would be written."""
    if isinstance(stored, bool) or isinstance(form, bool):
        return stored is form
    if isinstance(form, str):
        return stored == form
    if form is None or stored is None:
        return form is None and stored in (None, "")
    return not isinstance(stored, str) and stored == float(form)
