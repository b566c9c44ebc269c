"""The `Accounts` table: which sellers there are and where their tokens lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

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
    return {name: replace(account, token_file_of=_whose_file(account, accounts)) for name, account in accounts.items()}


def _whose_file(account: Account, accounts: Mapping[str, Account]) -> str | None:
    """Another account with the same token file, while nothing tells that the file is this one's.

    Its rows would be sent to the other seller. A linked login tells, for a foreign file is refused by it; so does
    the default name of the file.
    """
    if account.login or _token_file(account) == _token_file(replace(account, token_file=None)):
        return None
    others = (other for other in accounts.values() if other.active and other.name != account.name)
    return next((other.name for other in others if _token_file(other) == _token_file(account)), None)


def _token_file(account: Account) -> str:
    if account.token_row:
        return f"db:{account.token_row}".casefold()
    name = account.token_file or f"{account.name}.allegro.token"
    return name.replace("\\", "/").removeprefix("./").casefold()
