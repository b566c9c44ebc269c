"""The `Accounts` table: which sellers there are and where their tokens lie."""

from __future__ import annotations

from batch.errors import SettingsError, WorkbookError
from batch.model import Account
from batch.validate.cells import text_of
from batch.workbook import schema
from batch.workbook.read import NOT_CALCULATED, TableData


def read_accounts(table: TableData, environments: list[str]) -> dict[str, Account]:
    """The accounts by name, in the order of the sheet.

    A blank environment means the only one of `batch.yaml`. Raises WorkbookError `account_repeated` or
    `active_unclear`, SettingsError `account_environment` for an active account without a known one.
    """
    accounts: dict[str, Account] = {}
    for row in table.rows:
        name, environment, token_file, active, login = (
            text_of(table.value(row, key)) for key in ("account", "environment", "token_file", "active", "login")
        )
        for key in ("account", "environment", "token_file", "active"):
            if table.value(row, key) is NOT_CALCULATED:
                raise WorkbookError("cell_not_calculated", cell=str(table.cell_ref(key, row[0])))
        cell = table.cell_ref("account", row[0])
        if not name:
            raise WorkbookError("account_nameless", cell=str(cell))
        if name in accounts:
            raise WorkbookError("account_repeated", cell=str(cell), account=name, first_row=accounts[name].row)
        answer = schema.choose(schema.YES_NO, active) if active else "yes"
        if answer is None:
            raise WorkbookError("active_unclear", cell=str(table.cell_ref("active", row[0])), value=active)
        is_active = answer == "yes"
        if not environment and len(environments) == 1:
            environment = environments[0]
        known = {name.casefold(): name for name in environments}
        environment = known.get(environment.casefold(), environment)
        if is_active and environment not in environments:
            raise SettingsError(
                "account_environment",
                cell=str(table.cell_ref("environment", row[0])),
                environment=environment,
                environments=environments,
            )
        accounts[name] = Account(name, environment, token_file or None, is_active, row[0], login or None)
    return accounts
