"""A workbook file as a package of parts: opened within limits, saved with every untouched part copied raw.

A user's workbook holds much that we do not understand. So nothing here is unpacked that nobody asked for, and
saving copies the compressed bytes of a part instead of packing it again. The whole file is read at once: what
was checked, what was hashed and what is parsed are then the same bytes, whatever another program writes meanwhile.
"""

from __future__ import annotations

import hashlib
import io
import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote

from lxml import etree

from batch.errors import WorkbookError

MIB = 1024 * 1024
MAX_FILE = 256 * MIB
MAX_PARTS = 10_000
MAX_UNPACKED = 1024 * MIB  # declared by all parts together; no seller's workbook comes near
MAX_SHEET = 160 * MIB  # a million filled cells take about 40 MiB
MAX_SMALL = 16 * MIB  # parts that are parsed into a tree
MAX_ELEMENTS = 400_000  # a tree takes some 400 bytes for each
MAX_RATIO = 250  # Excel's own sheets shrink 5 to 30 times, a bomb 1000 times
RATIO_MATTERS = 20 * MIB
BLOCK = 256 * 1024  # bytes packed at a time

Part: TypeAlias = Sequence[bytes | memoryview]
"""The new content of a part, in pieces."""

_BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError,
)  # fmt: skip
"""What zipfile raises over a file whose structure is nonsense."""
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_UTF8 = ("utf-8", "utf8", "us-ascii", "ascii")


@dataclass(frozen=True, slots=True)
class Stamp:
    """Identifies the exact content of a file."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Relation:
    """One relationship of a part: its kind (last segment of its type, the same in strict files) and its target."""

    id: str
    kind: str
    target: str


class Package:
    """The parts of one workbook file, by name without the leading slash."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path = path
        self.content = content
        self.stamp = Stamp(len(content), hashlib.sha256(content).hexdigest())
        self._zip = _open_zip(path, content)
        self._infos = {_plain_name(info.filename): info for info in self._zip.infolist()}
        self._check_sizes()

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._infos

    def part(self, name: str, limit: int = MAX_SHEET) -> bytes:
        """The content of a part. Raises WorkbookError when it is missing, broken, or larger than `limit` bytes."""
        info = self._infos.get(name.lower())
        if info is None:
            raise self.damaged(name)
        if info.file_size > limit:
            raise self.too_big(name)
        try:
            with self._zip.open(info) as stream:
                data = stream.read(limit)  # zipfile stops at the declared size and then checks the CRC
        except _BROKEN as error:
            raise self.damaged(name) from error
        if len(data) != info.file_size:
            raise self.damaged(name)
        return data

    def text(self, name: str, limit: int = MAX_SHEET) -> bytes:
        """An XML part as UTF-8, refused when it declares a document type (no workbook needs one; bombs do)."""
        data = self.part(name, limit)
        if data[:3] == b"\xef\xbb\xbf":
            data = data[3:]
        if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4] or not _says_utf8(data):
            data = self._recoded(name, data)
        root = re.search(rb"<[A-Za-z_:]", data)
        if b"<!" in data[: root.start() if root else None] and b"<!DOCTYPE" in data:
            raise self.too_big(name)
        return data

    def xml(self, name: str) -> etree._Element:
        """A small part, parsed."""
        return self.parsed(name, self.text(name, MAX_SMALL))

    def parsed(self, name: str, data: bytes) -> etree._Element:
        """`data`, the text of the part `name`, as a tree."""
        if data.count(b"<") > MAX_ELEMENTS:
            raise self.too_big(name)
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        try:
            return etree.fromstring(data, parser)
        except (etree.XMLSyntaxError, ValueError) as error:
            raise self.damaged(name) from error

    def relations(self, name: str) -> list[Relation]:
        """The relationships of a part (of the package itself for `""`); those that lead outside are left out."""
        folder, base = posixpath.split(name)
        part = posixpath.join(folder, "_rels", f"{base}.rels")
        if part not in self:
            return []
        found = []
        for element in self.xml(part).iterfind("{*}Relationship"):
            if element.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join("/", folder, unquote(element.get("Target", ""))))
                kind = element.get("Type", "").rsplit("/", 1)[-1]
                found.append(Relation(element.get("Id", ""), kind, target.lstrip("/")))
        return found

    def with_parts(self, changed: Mapping[str, Part], dropped: Collection[str] = ()) -> Iterator[bytes | memoryview]:
        """The bytes of this package with some parts replaced or left out, everything else as it was."""
        lower = {name.lower(): data for name, data in changed.items()}
        out = {name.lower() for name in dropped}
        directory, offset, count = [], 0, 0
        for name, info in self._infos.items():
            if name in out:
                continue
            entry = _entry(info, lower[name]) if name in lower else self._raw_entry(info)
            directory.append(entry.directory(offset))
            count += 1
            for piece in (entry.header(), entry.data):
                offset += len(piece)
                yield piece
        records = b"".join(directory)
        yield records
        comment = self._zip.comment
        yield struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(records), offset, len(comment)) + comment

    def check_copies(self) -> None:
        """Raise WorkbookError when a part could not be copied as it is."""
        for info in self._infos.values():
            self._raw_entry(info)

    @contextmanager
    def understanding(self, part: str) -> Iterator[None]:
        """A part that is well-formed and says nonsense (no range where one should be, no number) is damaged."""
        try:
            yield
        except ValueError as error:
            raise self.damaged(part) from error

    def damaged(self, part: str = "") -> WorkbookError:
        """The error for a part that cannot be understood."""
        return WorkbookError("workbook_damaged", path=str(self.path), part=part)

    def too_big(self, part: str = "") -> WorkbookError:
        """The error for a part that would take more memory than an honest workbook needs."""
        return WorkbookError("workbook_too_big", path=str(self.path), part=part)

    def _check_sizes(self) -> None:
        infos = self._zip.infolist()
        if len(infos) != len(self._infos):  # two parts of one name: which one Excel reads is anybody's guess
            raise self.damaged()
        if sum(info.file_size for info in infos) > MAX_UNPACKED:
            raise self.too_big()
        for info in infos:
            if info.flag_bits & 1:
                raise WorkbookError("workbook_encrypted", path=str(self.path))
            if info.file_size > max(RATIO_MATTERS, MAX_RATIO * info.compress_size):
                raise self.too_big(info.filename)

    def _recoded(self, name: str, data: bytes) -> bytes:
        """XML in another encoding than UTF-8, as UTF-8 without its declaration."""
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            encoding = "utf-16"
        elif b"\0" in data[:4]:
            encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
        else:
            encoding = _declared_encoding(data)
        try:
            text = data.decode(encoding)
        except (LookupError, UnicodeDecodeError) as error:
            raise self.damaged(name) from error
        return (text.split("?>", 1)[1] if text.lstrip().startswith("<?xml") else text).encode()

    def _raw_entry(self, info: zipfile.ZipInfo) -> _Entry:
        start = info.header_offset
        header = self.content[start : start + 30]
        if len(header) < 30 or header[:4] != b"PK\3\4":
            raise self.damaged(info.filename)
        name_length, extra_length = struct.unpack("<2H", header[26:30])
        data = start + 30 + name_length + extra_length
        packed = memoryview(self.content)[data : data + info.compress_size]
        if len(packed) != info.compress_size:
            raise self.damaged(info.filename)
        return _Entry(info, packed, info.CRC, info.file_size, info.compress_type)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One file of a zip: what its two headers say, and its packed bytes."""

    info: zipfile.ZipInfo
    data: bytes | memoryview
    crc: int
    size: int
    method: int

    def header(self) -> bytes:
        name = self._name()
        return struct.pack("<4s2H", b"PK\3\4", self._version(), self._flags()) + self._sizes(name, b"") + name

    def directory(self, offset: int) -> bytes:
        info, name = self.info, self._name()
        return (
            struct.pack("<4s2B2H", b"PK\1\2", info.create_version, info.create_system, self._version(), self._flags())
            + self._sizes(name, self._extra())
            + struct.pack("<3H2L", len(info.comment), 0, info.internal_attr, info.external_attr, offset)
            + name
            + self._extra()
            + info.comment
        )

    def _sizes(self, name: bytes, extra: bytes) -> bytes:
        year, month, day, hour, minute, second = self.info.date_time
        time = hour << 11 | minute << 5 | second // 2
        date = (year - 1980) << 9 | month << 5 | day
        packed = len(self.data)
        return struct.pack("<3H3L2H", self.method, time, date, self.crc, packed, self.size, len(name), len(extra))

    def _flags(self) -> int:
        return self.info.flag_bits & ~8  # bit 3: sizes follow the data; ours stand in the header

    def _version(self) -> int:
        return min(self.info.extract_version, 20)  # 45 would promise zip64 fields, which are never needed here

    def _name(self) -> bytes:
        return self.info.orig_filename.encode("utf-8" if self.info.flag_bits & 0x800 else "cp437")

    def _extra(self) -> bytes:
        """The extra fields without zip64 sizes (id 1)."""
        rest, kept = self.info.extra, b""
        while len(rest) >= 4:
            kind, length = struct.unpack("<2H", rest[:4])
            if kind != 1:
                kept += rest[: 4 + length]
            rest = rest[4 + length :]
        return kept


def open_package(path: Path) -> Package:
    """Read a workbook file. Raises WorkbookError with the plain reason why it is none, or none we can take."""
    if path.suffix.lower() == ".xls":
        raise WorkbookError("workbook_xls", path=str(path))
    try:
        if path.stat().st_size > MAX_FILE:
            raise WorkbookError("workbook_too_big", path=str(path), part="")
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise WorkbookError("workbook_missing", path=str(path)) from error
    except OSError as error:
        raise WorkbookError("workbook_unreadable", path=str(path), reason=error.strerror or str(error)) from error
    if content.startswith(_OLE):
        encrypted = "EncryptedPackage".encode("utf-16-le") in content
        raise WorkbookError("workbook_encrypted" if encrypted else "workbook_xls", path=str(path))
    if path.suffix.lower() not in (".xlsx", ".xlsm") or not content.startswith(b"PK"):
        raise WorkbookError("workbook_format", path=str(path))
    return Package(path, content)


def _open_zip(path: Path, content: bytes) -> zipfile.ZipFile:
    if content.count(b"PK\1\2") > MAX_PARTS:  # before zipfile makes an object for each
        raise WorkbookError("workbook_too_big", path=str(path), part="")
    try:
        return zipfile.ZipFile(io.BytesIO(content))
    except _BROKEN as error:
        raise WorkbookError("workbook_damaged", path=str(path), part="") from error


def _entry(info: zipfile.ZipInfo, part: Part) -> _Entry:
    packer = zlib.compressobj(5, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed, crc, size = bytearray(), 0, 0
    for block in _blocks(part):
        packed += packer.compress(block)
        crc = zlib.crc32(block, crc)
        size += len(block)
    packed += packer.flush()
    return _Entry(info, bytes(packed), crc, size, zipfile.ZIP_DEFLATED)


def _blocks(part: Part) -> Iterator[bytes]:
    """The pieces of a part, joined to blocks of which each is worth a call of the packer."""
    waiting: list[bytes | memoryview] = []
    size = 0
    for piece in part:
        waiting.append(piece)
        size += len(piece)
        if size >= BLOCK:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)


def _plain_name(name: str) -> str:
    """Part names differ neither by case nor, in files of some old libraries, by the slash."""
    return name.replace("\\", "/").lstrip("/").lower()


def _declared_encoding(data: bytes) -> str:
    start = data[:200].lstrip()
    if not start.startswith(b"<?xml"):
        return "utf-8"
    declaration = start.split(b"?>", 1)[0].replace(b"'", b'"')
    _, found, rest = declaration.partition(b"encoding")
    return rest.split(b'"')[1].decode("latin-1").lower() if found and rest.count(b'"') >= 2 else "utf-8"


def _says_utf8(data: bytes) -> bool:
    return _declared_encoding(data) in _UTF8
