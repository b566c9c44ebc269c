"""VBA source -> vbaProject.bin ([MS-OVBA]), so that an .xlsm with buttons needs no Excel to be made.

The project is source only: no compiled code is stored, and the version in `_VBA_PROJECT` says so, whereupon
Excel compiles the source when it opens the workbook (2.3.4.1).
"""

from __future__ import annotations

import struct
from pathlib import Path

from batch.workbook.macros.compound_file import compound_file
from batch.workbook.macros.compression import compress

MODULE = "AllegroBatch"
PROJECT_ID = "{3F0C7A52-8D41-4E6B-9A27-5B1D90E4C6A8}"
CODE_PAGE = 1252
ENGLISH_US = 0x409
WIN32 = 1  # 2.3.4.2.1.1
SOURCE_ONLY = bytes.fromhex("CC61FFFF000000")  # 2.3.4.1: version 0xFFFF, no performance cache
NO_COOKIE = struct.pack("<H", 0xFFFF)

WORKBOOK_CLASS = "{00020819-0000-0000-C000-000000000046}"
SHEET_CLASS = "{00020820-0000-0000-C000-000000000046}"

LIBRARIES = {  # 2.3.4.2.2.5: every project of Excel refers to these two
    "stdole": r"*\G{00020430-0000-0000-C000-000000000046}#2.0#0#C:\Windows\System32\stdole2.tlb#OLE Automation",
    "Office": r"*\G{2DF8D04C-5BFA-101B-BDE5-00AA0044DE52}#2.0#0"
    r"#C:\Program Files\Common Files\Microsoft Shared\OFFICE16\MSO.DLL#Microsoft Office 16.0 Object Library",
}


def vba_project(sheets: int) -> bytes:
    """The vbaProject.bin of a workbook with `sheets` sheets, whose code names are Sheet1, Sheet2 …"""
    documents = {"ThisWorkbook": WORKBOOK_CLASS} | {f"Sheet{n}": SHEET_CLASS for n in range(1, sheets + 1)}
    sources = {name: _document_source(name, base) for name, base in documents.items()}
    sources[MODULE] = Path(__file__).with_name(f"{MODULE}.bas").read_text("ascii")
    vba = {name: compress(_lines(source.splitlines())) for name, source in sources.items()}  # 2.3.4.3, no cache
    vba["_VBA_PROJECT"] = SOURCE_ONLY
    vba["dir"] = compress(_dir_stream(list(sources)))
    return compound_file(
        {"VBA": vba, "PROJECT": _project_stream(list(documents)), "PROJECTwm": _name_map(list(sources))}
    )


def _document_source(name: str, base: str) -> str:
    """The source of the module that every workbook and every sheet has (2.3.4.3: attributes only)."""
    attributes = {
        "VB_Name": f'"{name}"',
        "VB_Base": f'"0{base}"',
        "VB_GlobalNameSpace": "False",
        "VB_Creatable": "False",
        "VB_PredeclaredId": "True",
        "VB_Exposed": "True",
        "VB_TemplateDerived": "False",
        "VB_Customizable": "True",
    }
    return "\n".join(f"Attribute {key} = {value}" for key, value in attributes.items())


def _dir_stream(modules: list[str]) -> bytes:
    """The project's properties, references and modules, as a sequence of records (2.3.4.2)."""
    information = (
        _record(0x01, struct.pack("<I", WIN32))
        + _record(0x02, struct.pack("<I", ENGLISH_US))
        + _record(0x14, struct.pack("<I", ENGLISH_US))
        + _record(0x03, struct.pack("<H", CODE_PAGE))
        + _record(0x04, b"VBAProject")
        + _text(0x05, "", 0x40)  # description
        + _record(0x06)
        + _record(0x3D)  # help files
        + _record(0x07, struct.pack("<I", 0))  # help context
        + _record(0x08, struct.pack("<I", 0))  # library flags
        + struct.pack("<HIIH", 0x09, 4, 1, 0)  # version 1.0; its size field is always 4 (2.3.4.2.1.11)
        + _text(0x0C, "", 0x3C)  # constants
    )
    references = b"".join(_text(0x16, name, 0x3E) + _library(path) for name, path in LIBRARIES.items())
    head = _record(0x0F, struct.pack("<H", len(modules))) + _record(0x13, NO_COOKIE)
    return information + references + head + b"".join(map(_module, modules)) + _record(0x10)


def _module(name: str) -> bytes:
    """One module (2.3.4.2.3.2); its source starts at offset 0 of its stream."""
    kind = 0x21 if name == MODULE else 0x22  # procedural, or belonging to a document
    return (
        _text(0x19, name, 0x47)
        + _text(0x1A, name, 0x32)  # name of the stream
        + _text(0x1C, "", 0x48)  # description
        + _record(0x31, struct.pack("<I", 0))  # offset of the source
        + _record(0x1E, struct.pack("<I", 0))  # help context
        + _record(0x2C, NO_COOKIE)
        + _record(kind)
        + _record(0x2B)
    )


def _library(path: str) -> bytes:
    """A reference to a registered library (2.3.4.2.2.5)."""
    return _record(0x0D, struct.pack("<I", len(path)) + path.encode("ascii") + bytes(6))


def _record(number: int, data: bytes = b"") -> bytes:
    return struct.pack("<HI", number, len(data)) + data


def _text(number: int, text: str, unicode_number: int) -> bytes:
    """A text twice, in the project's code page and in UTF-16, as most records hold theirs."""
    return _record(number, text.encode("ascii")) + _record(unicode_number, text.encode("utf-16-le"))


def _project_stream(documents: list[str]) -> bytes:
    """The project as an .ini file (2.3.1)."""
    return _lines(
        [
            f'ID="{PROJECT_ID}"',
            *(f"Document={name}/&H00000000" for name in documents),
            f"Module={MODULE}",
            'Name="VBAProject"',
            'HelpContextID="0"',
            'VersionCompatible32="393222000"',
            f'CMG="{_encrypt(bytes(4), seed=0x0D)}"',  # not protected (2.3.1.15)
            f'DPB="{_encrypt(bytes(1), seed=0x1B)}"',  # no password (2.3.1.16)
            f'GC="{_encrypt(bytes([0xFF]), seed=0x29)}"',  # visible (2.3.1.17)
            "",
            "[Host Extender Info]",
            "&H00000001={3832D640-CF90-11CF-8E43-00A0C911005A};VBE;&H00000000",
            "",
            "[Workspace]",
            *(f"{name}=0, 0, 0, 0, C" for name in (*documents, MODULE)),
        ]
    )


def _name_map(modules: list[str]) -> bytes:
    """The modules' names in both encodings (2.3.3)."""
    names = (name.encode("ascii") + b"\0" + name.encode("utf-16-le") + b"\0\0" for name in modules)
    return b"".join(names) + b"\0\0"


def _encrypt(data: bytes, *, seed: int) -> str:
    """The scrambling of three values of the PROJECT stream (2.4.3.2); the seed may be any byte."""
    key = sum(PROJECT_ID.encode("ascii")) & 0xFF
    encrypted = [seed, seed ^ 2, seed ^ key]  # 2 is the version of the scheme
    plain = [7] * ((seed & 6) // 2) + list(struct.pack("<I", len(data))) + list(data)  # led by bytes to be ignored
    previous = key
    for byte in plain:
        encrypted.append(byte ^ (encrypted[-2] + previous & 0xFF))
        previous = byte
    return bytes(encrypted).hex().upper()


def _lines(lines: list[str]) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")
