"""What makes Excel calculate anew when it opens the workbook: one attribute, and a chain it can rebuild.

A calculation chain that names a cell without a formula makes Excel offer to repair the file, so it goes when formula
cells came, went or moved.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from batch.workbook.places import Book
from batch.workbook.sheet import IN_TAG

_CALC = re.compile(rb"<((?:\w+:)?)calcPr(?=[\s/>])" + IN_TAG + rb">")
_ON_LOAD = re.compile(rb"""\sfullCalcOnLoad\s*=\s*["'](\w+)["']""")
# calcPr has its place among the children of the workbook: after the last of these.
_BEFORE = re.compile(rb"</((?:\w+:)?)(?:sheets|functionGroups|externalReferences|definedNames)\s*>")


def calculate_on_load(book: Book) -> dict[str, bytes]:
    """The workbook part that asks for calculation; nothing when it does already, or is too unusual to be touched."""
    data = book.package.text(book.part)
    if b"<!--" in data:
        return {}
    found = _CALC.search(data)
    if found is None:
        ends = list(_BEFORE.finditer(data))
        if not ends:
            return {}
        at = ends[-1].end()
        return {book.part: data[:at] + b'<%scalcPr fullCalcOnLoad="1"/>' % ends[-1][1] + data[at:]}
    tag = found[0]
    asked = _ON_LOAD.search(tag)
    if asked and asked[1] in (b"1", b"true"):
        return {}
    tag = _ON_LOAD.sub(b"", tag)
    end = len(tag) - (2 if tag.endswith(b"/>") else 1)
    tag = tag[:end].rstrip() + b' fullCalcOnLoad="1"' + tag[end:]
    return {book.part: data[: found.start()] + tag + data[found.end() :]}


def without_chain(book: Book) -> tuple[dict[str, bytes], Collection[str]]:
    """The parts that no longer mention the calculation chain, and the chain itself."""
    package = book.package
    chains = [r for r in package.relations(book.part) if r.kind == "calcChain"]
    if not chains:
        return {}, ()
    chain = chains[0]
    folder, _, name = book.part.rpartition("/")
    relations, types = f"{folder}/_rels/{name}.rels", "[Content_Types].xml"
    return {
        relations: _without(package.text(relations), b"Relationship", b"Id", chain.id),
        types: _without(package.text(types), b"Override", b"PartName", f"/{chain.target}"),
    }, (chain.target,)


def _without(data: bytes, tag: bytes, attribute: bytes, value: str) -> bytes:
    """`data` without the element `tag` whose `attribute` is `value`."""
    wanted = rb"""\s%s\s*=\s*["']%s["']""" % (attribute, re.escape(value.encode()))
    element = rb"<((?:\w+:)?)%s(?=\s)(%s)(?:/>|>\s*</\1%s\s*>)" % (tag, IN_TAG.replace(rb"[^<>", rb"[^<>/"), tag)
    return re.sub(element, lambda m: b"" if re.search(wanted, m[2], re.IGNORECASE) else m[0], data)
