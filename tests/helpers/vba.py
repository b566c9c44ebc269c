"""Reads a vbaProject.bin back: streams by olefile, decompression written from [MS-OVBA] 2.4.1.3.1 alone."""

from __future__ import annotations

import struct

import olefile


def streams(project: bytes) -> dict[str, bytes]:
    """All streams of the compound file, by path; any defect of the file is an error."""
    with olefile.OleFileIO(project, raise_defects=olefile.DEFECT_UNSURE) as file:
        assert file.parsing_issues == []
        return {"/".join(path): file.openstream(path).read() for path in file.listdir()}


def decompress(container: bytes) -> bytes:
    """The data of a compressed container."""
    assert container[0] == 1
    out, at = bytearray(), 1
    while at < len(container):
        (header,) = struct.unpack_from("<H", container, at)
        end = at + (header & 0x0FFF) + 3
        assert header >> 12 & 7 == 3
        assert end <= len(container)
        chunk = container[at + 2 : end]
        out += _tokens(chunk) if header >> 15 else chunk
        at = end
    return bytes(out)


def _tokens(chunk: bytes) -> bytes:
    out, at = bytearray(), 0
    while at < len(chunk):
        flags, at = chunk[at], at + 1
        for bit in range(8):
            if at >= len(chunk):
                break
            if flags >> bit & 1:
                (token,) = struct.unpack_from("<H", chunk, at)
                offset_bits = next(bits for bits in range(4, 13) if 1 << bits >= len(out))
                offset = (token >> (16 - offset_bits)) + 1
                for _ in range((token & 0xFFFF >> offset_bits) + 3):
                    out.append(out[-offset])
                at += 2
            else:
                out.append(chunk[at])
                at += 1
    assert len(out) <= 4096
    return bytes(out)
