"""The compression of VBA streams ([MS-OVBA] 2.4.1), one direction: LZ77 over chunks of 4096 bytes."""

from __future__ import annotations

import struct

CHUNK_SIZE = 4096
CONTAINER_SIGNATURE = b"\x01"  # 2.4.1.1.1
# 2.4.1.1.5, the chunk's header: its size - 3 in 12 bits, the signature 0b011, and whether it is compressed.
COMPRESSED_CHUNK = 0xB000
RAW_CHUNK = 0x3000
SHORTEST_COPY = 3  # a copy token takes two bytes, so anything shorter saves nothing
TOKENS_PER_FLAG_BYTE = 8  # 2.4.1.1.7


def compress(data: bytes) -> bytes:
    """The compressed container of `data`.

    A last chunk that does not compress is padded with zero bytes to its full size (2.4.1.3.10); text always does.
    """
    chunks = (data[start : start + CHUNK_SIZE] for start in range(0, len(data), CHUNK_SIZE))
    return CONTAINER_SIGNATURE + b"".join(map(_chunk, chunks))


def _chunk(block: bytes) -> bytes:
    """Header and data of one chunk."""
    body, kind = _tokens(block), COMPRESSED_CHUNK
    if len(body) >= CHUNK_SIZE:
        body, kind = block.ljust(CHUNK_SIZE, b"\0"), RAW_CHUNK
    return struct.pack("<H", kind | (len(body) + 2 - 3)) + body


def _tokens(block: bytes) -> bytes:
    """Literal bytes and copy tokens; each group of eight is led by a byte of flags that tell which is which."""
    body = bytearray()
    at = 0
    while at < len(block):
        flags, group = 0, bytearray()
        for bit in range(TOKENS_PER_FLAG_BYTE):
            if at == len(block):
                break
            offset_bits = _offset_bits(at)
            offset, length = _longest_match(block, at, longest=(0xFFFF >> offset_bits) + SHORTEST_COPY)
            if length:
                flags |= 1 << bit
                group += struct.pack("<H", (offset - 1) << (16 - offset_bits) | (length - SHORTEST_COPY))
            else:
                group.append(block[at])
            at += length or 1
        body.append(flags)
        body += group
    return bytes(body)


def _offset_bits(at: int) -> int:
    """How many of a copy token's 16 bits hold the offset: enough to reach the chunk's start (2.4.1.3.19.1)."""
    return max((at - 1).bit_length(), 4)


def _longest_match(block: bytes, at: int, *, longest: int) -> tuple[int, int]:
    """Offset and length of the longest earlier text that repeats at `at`; it may run into itself. (0, 0): none."""
    offset = length = 0
    for wanted in range(SHORTEST_COPY, min(longest, len(block) - at) + 1):
        found = block.rfind(block[at : at + wanted], 0, at + wanted - 1)
        if found < 0:
            break
        offset, length = at - found, wanted
    return offset, length
