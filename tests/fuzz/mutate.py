"""How data is made hostile: bytes, XML, JSON and zip files, changed a little at places that chance picks.

Everything takes a `Random`, so that a seed names a case for good.
"""

from __future__ import annotations

import copy
import io
import json
import re
import struct
import warnings
import zipfile
from collections.abc import Mapping
from random import Random
from typing import Any

from lxml import etree

TEXTS = (
    "", " ", "0", "-1", "1", "65536", "1048577", "16385", "999999999", "9" * 30, "9" * 5000, "1e999", "-1e-999",
    "NaN", "Infinity", "0x7f", "+5", "５", "1.5", "true", "null", "A1", "A0", "XFD1048576", "A1:XFD1048576", "XFE1",
    "A9:A1", "AAAA1", "A1:B2 C3", "$A$1:$L$9", "A" * 2000, "../../../etc/passwd", "/etc/passwd", "\\\\host\\share",
    "file:///etc/passwd", "http://[", "http://x:99999", "rId999", "=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1",
    "{{ 7*7 }}", "{% raw %}", "{buyer_email.__class__}", "${HOME}", "%s%n", "' OR 1=1 --", "<script>", "]]>", "&amp;",
    "_x0000_", "_xD800_", "_x005F_x0041_", "\u202e", "\ufeff", "\uffff", "\U0001f600", "ż" * 40, "NUL", "CON",
    "2026-13-45", "9999-12-31T23:59:59.999999999Z", "0001-01-01T00:00:00+23:59", "2026-01-01T00:00:00",
)  # fmt: skip
"""Values that have broken somebody's program before."""

JSON_TEXTS = ("\ud800", "a\udfffb", "\x00", "\x1b[31m", "\r\nX: y")
JSON_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 1.5, 10**20, -(10**20), float("nan"), float("inf"), [], {}, [[]], [None], {"id": None},
    "1e999999999", "1e-999999999", "NaN", "sNaN", "-0",
)  # fmt: skip
"""What may come instead of a value; the last are texts that `Decimal` takes."""

SNIPPETS = (
    b"<", b">", b"&", b'"', b"'", b"\0", b"<!--", b"-->", b"<!-- x -->", b"<![CDATA[", b"]]>", b"<?x y?>", b"&#0;",
    b"&#x110000;", b"&lol;", b'<!DOCTYPE a [<!ENTITY lol "lol">]>', b'<!DOCTYPE a SYSTEM "file:///etc/passwd">',
    b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc3", b"/>", b"</c>", b"</row>", b"</sheetData>", b"<row>",
    b'<row r="1"/>', b'<c r="A1"/>', b'<c r="ZZZZ9" t="s"><v>9</v></c>', b'<c t="inlineStr"><is><t>=1</t></is></c>',
    b"<f>", b'<f t="array" ref="x">1</f>', b'<f t="shared" si="0"/>', b'<f t="shared" si="0" ref="A1:Z9">A1</f>',
    b'<mergeCells><mergeCell ref="?"/></mergeCells>', b'<col min="1" max="999999999" style="1"/>', b"<v/>",
    b' x:y=""', b"x:", b"</x:y>", b'<x:row xmlns:x="u">', b"_x0000_", b"xmlns", b'encoding="utf-16"',
    b'encoding="klingon"',
)  # fmt: skip


def bytes_of(random: Random, data: bytes, snippets: tuple[bytes, ...] = SNIPPETS) -> bytes:
    """`data` with one change: a byte, a snippet put in, a range cut out, copied or moved, the end cut off."""
    at = random.randrange(len(data) + 1)
    until = min(len(data), at + random.choice((1, 2, 8, 60, 400)))
    match random.randrange(8):
        case 0 if data:
            at = min(at, len(data) - 1)
            return data[:at] + bytes([data[at] ^ (1 << random.randrange(8))]) + data[at + 1 :]
        case 1 | 2:
            return data[:at] + random.choice(snippets) + data[at:]
        case 3:
            return data[:at] + data[until:]
        case 4:
            return data[:until] + data[at:until] * random.choice((1, 2, 50)) + data[until:]
        case 5:
            return data[:at]
        case 6:
            return _number_changed(random, data)
        case _:
            return data[:at] + random.randbytes(until - at) + data[until:]


def _number_changed(random: Random, data: bytes) -> bytes:
    """Another number in the place of one."""
    found = list(re.finditer(rb"\d+", data))
    if not found:
        return data
    number = random.choice(found)
    value = str(random.choice((0, 1, int(number[0][:18]) + 1, -1, 2**31, 2**63, 10**40))).encode()
    return data[: number.start()] + value + data[number.end() :]


def xml_of(random: Random, data: bytes) -> bytes:
    """An XML part with one change to its tree; one that is no XML any more, with one to its bytes."""
    try:
        root = etree.fromstring(data, etree.XMLParser(resolve_entities=False))
    except (etree.XMLSyntaxError, ValueError):
        return bytes_of(random, data)
    elements = [element for element in root.iter() if isinstance(element.tag, str)]
    _element_changed(random, random.choice(elements), random.choice(elements))
    return etree.tostring(
        root, xml_declaration=True, encoding=random.choice(("UTF-8", "UTF-8", "UTF-16", "ISO-8859-1"))
    )


def _element_changed(random: Random, element: Any, other: Any) -> None:
    parent = element.getparent()
    match random.randrange(9):
        case 0 if parent is not None:
            parent.remove(element)
        case 1 if parent is not None:
            for _ in range(random.choice((1, 1, 300))):
                parent.insert(random.randrange(len(parent) + 1), copy.deepcopy(element))
        case 2 | 3 if element.attrib:
            name = random.choice(list(element.attrib))
            if random.randrange(4):
                element.set(name, _allowed(random.choice(TEXTS)))
            else:
                del element.attrib[name]
        case 4:
            element.text = _allowed(random.choice(TEXTS))
        case 5:
            space, _, _ = element.tag.rpartition("}")
            element.tag = (space + "}" if space else "") + random.choice(("row", "c", "v", "f", "x", "si"))
        case 6:
            element.insert(0, random.choice((etree.Comment(" <row r='1'> "), etree.ProcessingInstruction("x", "y"))))
        case 7:
            for _ in range(random.choice((3, 120, 2000))):
                element = etree.SubElement(element, element.tag)
        case _ if not len(other.xpath("ancestor-or-self::*")) > 40:
            element.append(copy.deepcopy(other))


def _allowed(text: str) -> str:
    return re.sub("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]", "", text)


# --- packages


def package_of(random: Random, parts: Mapping[str, bytes]) -> bytes:
    """A zip file of `parts`, changed once or a few times: its parts, their names, its own structure."""
    found = dict(parts)
    names: list[tuple[str, str]] = [(name, name) for name in found]
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        name = random.choice(_interesting(random, list(found)))
        match random.randrange(12):
            case 0:
                found[name] = bytes_of(random, found[name])
            case 1:
                found[name] = found[random.choice(list(found))]
            case 2:
                names = [(shown, real) for shown, real in names if shown != name]
            case 3:
                hostile = (
                    "../" + name,
                    "/" + name,
                    name.upper(),
                    name.replace("/", "\\"),
                    name + "\0",
                    "C:\\x",
                    "",
                    "ż",
                    name,
                )
                names.append((random.choice(hostile), name))
            case _:
                found[name] = xml_of(random, found[name])
    random.shuffle(names) if not random.randrange(10) else None
    content = _zipped(random, [(shown, found[real]) for shown, real in names])
    return content if random.randrange(4) else zip_of(random, content)


def _interesting(random: Random, names: list[str]) -> list[str]:
    """The parts that the tool reads, most of the time."""
    ours = [
        name
        for name in names
        if re.search(r"worksheets/sheet\d|tables/|sharedS|styles|workbook\.xml|Types|_rels", name)
    ]
    return ours if ours and random.randrange(8) else names


def _zipped(random: Random, files: list[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    method = random.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_BZIP2))
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", method) as package:
        warnings.simplefilter("ignore")  # two of one name
        for name, data in files:
            package.writestr(zipfile.ZipInfo(name), data, method)
    return out.getvalue()


def zip_of(random: Random, content: bytes) -> bytes:
    """A zip file with a header field, a size, an offset or any bytes of its structure changed."""
    places = [found.start() for found in re.finditer(rb"PK(?:\x01\x02|\x03\x04|\x05\x06)", content)]
    if not places or not random.randrange(4):
        return bytes_of(random, content, (b"PK\1\2", b"PK\3\4", b"PK\5\6", b"\0" * 8, b"\xff" * 8))
    at = random.choice(places) + 4 + 2 * random.randrange(20)
    width, form = random.choice(((2, "<H"), (4, "<L")))
    value = random.choice((0, 1, 8, 9, 12, 99, 0x7FFF, 0xFFFF, len(content), 2**31, 2**32 - 1)) & (2 ** (8 * width) - 1)
    return content[:at] + struct.pack(form, value) + content[at + width :]


# --- JSON


def json_of(random: Random, text: str) -> str:
    """A JSON text with one change to what it says, or to how it says it."""
    match random.randrange(12):
        case 0:
            return bytes_of(
                random, text.encode(), (b"{", b"[", b'"', b"\\ud800", b"NaN", b"1e999", b",", b"\0")
            ).decode("utf-8", "surrogateescape")
        case 1:
            return random.choice(
                ("", "null", "[]", "{}", "[" * 100_000, '{"a":' * 50_000, "9" * 5000, '"x"', "\ufeff" + text)
            )
        case 2 if text.startswith("{") and len(text) > 2:
            return text[:-1] + "," + text[1:]  # every key twice
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    changed = value_of(random, value)
    return json.dumps(changed, ensure_ascii=bool(random.randrange(2)))


def value_of(random: Random, value: Any) -> Any:
    """A value with another one at some place inside it."""
    if isinstance(value, dict) and value and random.randrange(8):
        key = random.choice(list(value))
        if not random.randrange(8):
            return {k: v for k, v in value.items() if k != key}
        return {**value, key: value_of(random, value[key])}
    if isinstance(value, list) and value and random.randrange(8):
        at = random.randrange(len(value))
        if not random.randrange(8):
            return value[:at] + value[at + 1 :] + [value[at]] * random.choice((0, 2, 1200))
        return [*value[:at], value_of(random, value[at]), *value[at + 1 :]]
    match random.randrange(6):
        case 0 | 1:
            return random.choice(TEXTS + JSON_TEXTS)
        case 2 if isinstance(value, int | float):
            return str(value)
        case 3:
            return {"a": value, "id": value}
        case 4:
            return [value, value]
    return random.choice(JSON_VALUES)
