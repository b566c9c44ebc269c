"""Defined names: what formulas, dropdowns and macros call the tables' columns.

A name is a column of a table, or made from such columns, so it grows with its table, and a user may move and rename
sheets and headings.
"""

from __future__ import annotations

from xlsxwriter.workbook import Workbook

from batch.workbook import schema
from batch.workbook.schema import Choice, Table

COLUMNS = {
    schema.PRODUCTS: ("status",),
    schema.RESULTS: ("run", "time", "status", "code"),
    schema.ORDERS: ("bought_at", "line_total", "currency", "order_status"),
    schema.DICTIONARIES: ("account", "kind", "name"),
}
"""The columns that have a name of their own: those of which formulas speak."""

LISTS = {"accounts": (schema.ACCOUNTS, "account"), "profiles": (schema.DEFAULTS, "profile")}
"""Dropdowns that list a whole column of the user's; each kind of `Dictionaries` is one too."""


def column_name(table: Table, key: str) -> str:
    """The name of a column in COLUMNS, e.g. `results_status`."""
    return f"{table.name.lower()}_{key}"


def list_name(dictionary: str) -> str:
    """The name behind the dropdown of a column fed by `dictionary`, e.g. `list_warranty`."""
    return f"list_{dictionary}"


def list_source(dictionary: str, account_cell: str) -> str:
    """The formula of such a dropdown; a kind of `Dictionaries` shows only what the account named in the row owns.

    A row for all accounts (`account_cell` is blank) is offered everything.
    """
    names = list_name(dictionary)
    if dictionary in LISTS:
        return f"={names}"
    owners = _owners_name(dictionary)
    first, count = f"MATCH({account_cell},{owners},0)-1", f"COUNTIF({owners},{account_cell})"
    return f'=IF({account_cell}="",{names},OFFSET({names},{first},0,{count},1))'


def define_names(workbook: Workbook, language: str) -> None:
    """Add all of them to a workbook whose tables have the headings of `language`."""
    for table, keys in COLUMNS.items():
        for key in keys:
            workbook.define_name(column_name(table, key), f"={_reference(table, key, language)}")
    for dictionary, (table, key) in LISTS.items():
        workbook.define_name(list_name(dictionary), f"={_reference(table, key, language)}")
    for kind in schema.DICTIONARY_KINDS:
        workbook.define_name(list_name(kind.code), _block(kind, "name"))
        workbook.define_name(_owners_name(kind.code), _block(kind, "account"))


def _owners_name(dictionary: str) -> str:
    return f"owners_{dictionary}"


def _reference(table: Table, key: str, language: str) -> str:
    """A column of a table in full: `Products[Konto]` also works in LibreOffice."""
    return f"{table.name}[{table.column(key).heading[language]}]"


def _block(kind: Choice, key: str) -> str:
    """A column of `Dictionaries` where it speaks of one kind, whose rows stand together, each account's too.

    The kind may be named in any language.
    """
    kinds, column = (column_name(schema.DICTIONARIES, each) for each in ("kind", key))
    words = [f'"{kind.words[each]}"' for each in schema.LANGUAGES]
    first = f"MATCH({words[-1]},{kinds},0)"
    for word in words[-2::-1]:
        first = f"IFERROR(MATCH({word},{kinds},0),{first})"
    count = "+".join(f"COUNTIF({kinds},{word})" for word in words)
    return f"=OFFSET(INDEX({column},1),{first}-1,0,{count},1)"
