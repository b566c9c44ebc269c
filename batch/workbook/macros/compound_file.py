"""A Compound File ([MS-CFB], version 3): streams in folders inside one file, the frame of vbaProject.bin.

Content lies in sectors of 512 bytes chained by a table (the FAT). Streams below 4096 bytes lie in sectors of
64 bytes with a table of their own (the mini FAT); all of these together are the root entry's content.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

SIGNATURE = bytes.fromhex("D0CF11E0A1B11AE1")
SECTOR = 512
MINI_SECTOR = 64
MINI_STREAM_CUTOFF = 4096  # 2.2: streams from this size on have sectors of their own
TABLE_ENTRIES = SECTOR // 4  # entries in one sector of a FAT
HEADER_FAT_SECTORS = 109  # 2.2: FAT sectors listed in the header itself; 109 describe 7 MB

# 2.1: special sector numbers, and 2.6: the entry number that means "none".
FREE_SECTOR = 0xFFFFFFFF
END_OF_CHAIN = 0xFFFFFFFE
FAT_SECTOR = 0xFFFFFFFD
NO_ENTRY = 0xFFFFFFFF

# 2.6.1: kinds and the colour of directory entries.
UNUSED, STORAGE, STREAM, ROOT = 0, 1, 2, 5
BLACK = 1
ENTRY_SIZE = 128

Folder = Mapping[str, bytes]
Tree = Mapping[str, bytes | Folder]


def compound_file(tree: Tree) -> bytes:
    """The file with the streams of `tree`: name -> content, or name -> folder of streams."""
    entries = _directory(tree)
    sectors, mini = _Chains(SECTOR), _Chains(MINI_SECTOR)
    for entry in entries:
        if entry.kind == STREAM:
            chains = mini if len(entry.content) < MINI_STREAM_CUTOFF else sectors
            entry.start = chains.add(entry.content)
    entries[0].content = bytes(mini.data)
    entries[0].start = sectors.add(entries[0].content)
    mini_fat = _table(mini.next)
    mini_fat_start = sectors.add(mini_fat)
    unused = [_Entry("", UNUSED)] * (-len(entries) % (SECTOR // ENTRY_SIZE))
    directory_start = sectors.add(b"".join(entry.packed() for entry in (*entries, *unused)))
    fat_start, fat_length = len(sectors.next), _fat_length(len(sectors.next))
    fat = _table([*sectors.next, *[FAT_SECTOR] * fat_length])
    header = _header(directory_start, mini_fat_start, len(mini_fat) // SECTOR, range(fat_start, fat_start + fat_length))
    return header + bytes(sectors.data) + fat


@dataclass(slots=True)
class _Entry:
    """One directory entry (2.6.1). Siblings form a binary tree through `left` and `right`."""

    name: str
    kind: int
    content: bytes = b""
    start: int = 0
    left: int = NO_ENTRY
    right: int = NO_ENTRY
    child: int = NO_ENTRY

    def packed(self) -> bytes:
        name = self.name.encode("utf-16-le")
        name_size = len(name) + 2 if name else 0  # with the closing zero
        return struct.pack(
            "<64sHBBIII16sIQQIQ",
            *(name, name_size, self.kind, BLACK, self.left, self.right, self.child),
            *(b"", 0, 0, 0),  # class id, state, created, modified
            *(self.start, len(self.content)),
        )


@dataclass(slots=True)
class _Chains:
    """Contents cut into sectors of one size, and for each sector the number of the next one."""

    sector: int
    data: bytearray = field(default_factory=bytearray)
    next: list[int] = field(default_factory=list)

    def add(self, content: bytes) -> int:
        """Append `content` as one chain and return the number of its first sector."""
        if not content:
            return END_OF_CHAIN
        first, count = len(self.next), -(-len(content) // self.sector)
        self.data += content.ljust(count * self.sector, b"\0")
        self.next += [*range(first + 1, first + count), END_OF_CHAIN]
        return first


def _directory(tree: Tree) -> list[_Entry]:
    """All entries, the root first, children linked to their folder."""
    entries = [_Entry("Root Entry", ROOT)]

    def add_children(parent: int, folder: Tree | Folder) -> None:
        numbers = []
        for name in sorted(folder, key=lambda name: (len(name), name.upper())):  # 2.6.4: shorter names first
            node = folder[name]
            numbers.append(len(entries))
            entries.append(_Entry(name, STREAM, node) if isinstance(node, bytes) else _Entry(name, STORAGE))
            if not isinstance(node, bytes):
                add_children(numbers[-1], node)
        entries[parent].child = _link(entries, numbers)

    add_children(0, tree)
    return entries


def _link(entries: list[_Entry], numbers: Sequence[int]) -> int:
    """Make the sorted siblings a balanced tree (2.6.4; all black is allowed) and return its top."""
    if not numbers:
        return NO_ENTRY
    middle = len(numbers) // 2
    top = entries[numbers[middle]]
    top.left, top.right = _link(entries, numbers[:middle]), _link(entries, numbers[middle + 1 :])
    return numbers[middle]


def _table(following: Sequence[int]) -> bytes:
    """A FAT or mini FAT (2.3, 2.4), filled up to whole sectors."""
    entries = [*following, *[FREE_SECTOR] * (-len(following) % TABLE_ENTRIES)]
    return struct.pack(f"<{len(entries)}I", *entries)


def _fat_length(sectors: int) -> int:
    """How many sectors the FAT takes to describe `sectors` and itself."""
    length = -(-sectors // (TABLE_ENTRIES - 1))
    if length > HEADER_FAT_SECTORS:
        msg = f"{sectors} sectors are too many for a compound file without a DIFAT"
        raise ValueError(msg)
    return length


def _header(directory_start: int, mini_fat_start: int, mini_fat_length: int, fat: range) -> bytes:
    """The file's first sector (2.2)."""
    fat_sectors = [*fat, *[FREE_SECTOR] * (HEADER_FAT_SECTORS - len(fat))]
    return struct.pack(
        f"<8s16sHHHHH6sIIIIIIIII{HEADER_FAT_SECTORS}I",
        *(SIGNATURE, b"", 0x3E, 3, 0xFFFE, 9, 6, b""),  # minor and major version, little-endian, 2^9 and 2^6 bytes
        *(0, len(fat), directory_start, 0, MINI_STREAM_CUTOFF),
        *(mini_fat_start, mini_fat_length),
        *(END_OF_CHAIN, 0),  # no DIFAT
        *fat_sectors,
    )
