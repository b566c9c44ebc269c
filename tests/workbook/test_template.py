"""A new workbook keeps the contract: tables, headings, types, dropdowns, figures, and no file ever overwritten."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import openpyxl
import pytest
from python_calamine import CalamineWorkbook

from batch import launcher
from batch.errors import WorkbookError
from batch.messages import catalogue, entries
from batch.workbook import schema
from batch.workbook.template import write_template
from tests.workbook.rows import sample_rows

# The contract's second chapter as data: table -> (sheet pl, sheet en, headings pl, headings en).
CONTRACT = {
    "Accounts": (
        "Konta",
        "Accounts",
        "Konto|Środowisko|Plik tokenów|Aktywne|Powiązane konto|Token ważny do|Stan tokenów",
        "Account|Environment|Token file|Active|Linked account|Token valid until|Token state",
    ),
    "Defaults": (
        "Domyślne parametry",
        "Defaults",
        "Profil|Konto|Cennik dostaw|Warunki zwrotów|Warunki reklamacji|Gwarancja|Czas wysyłki|Faktura|Czas trwania|"
        "Kraj|Województwo|Miasto|Kod pocztowy|Stawka VAT|Producent odpowiedzialny|Osoba odpowiedzialna|"
        "Informacje o bezpieczeństwie|Język oferty|Waluta",
        "Profile|Account|Shipping rates|Return policy|Implied warranty|Warranty|Handling time|Invoice|Duration|Country|"
        "Province|City|Post code|VAT rate|Responsible producer|Responsible person|Safety information|Offer language|"
        "Currency",
    ),
    "Products": (
        "Produkty",
        "Products",
        "Konto|EAN|Cena|Stan|Sygnatura|Profil|ID produktu|Akcja|ID oferty|Status|Komunikat|Zaktualizowano",
        "Account|EAN|Price|Stock|External ID|Profile|Product ID|Action|Offer ID|Status|Message|Updated",
    ),
    "Results": (
        "Wyniki",
        "Results",
        "Przebieg|Czas|Konto|Wiersz|EAN|Sygnatura|Akcja|Status|Kod|Komunikat|ID oferty|Link|Stara cena|Nowa cena|"
        "Stary stan|Nowy stan|Trace ID",
        "Run|Time|Account|Row|EAN|External ID|Action|Status|Code|Message|Offer ID|Link|Old price|New price|Old stock|"
        "New stock|Trace ID",
    ),
    "Orders": (
        "Zamówienia",
        "Orders",
        "Konto|ID zamówienia|ID pozycji|Rodzaj|Data zakupu|Status zamówienia|Realizacja|Login|Email|Kupujący|"
        "Telefon kupującego|Dostawa|Odbiorca|Ulica|Kod pocztowy|Miasto|Kraj|Telefon odbiorcy|Punkt odbioru|ID oferty|"
        "Sygnatura|Nazwa|Ilość|Cena jedn.|Wartość|Waluta|VAT %|Płatność|Zapłacono|Razem|Faktura|Firma|NIP|"
        "Adres do faktury|Notatka|Uwagi|Zaktualizowano",
        "Account|Order ID|Line ID|Type|Bought at|Order status|Fulfillment|Buyer login|Buyer email|Buyer name|"
        "Buyer phone|Delivery method|Recipient|Street|Post code|City|Country|Recipient phone|Pickup point|Offer ID|"
        "External ID|Name|Quantity|Unit price|Line total|Currency|VAT %|Payment|Paid|Order total|Invoice|Company|"
        "Tax ID|Invoice address|Note|Shop notes|Updated",
    ),
    "Settings": ("Ustawienia", "Settings", "Klucz|Ustawienie|Wartość|Opis", "Key|Setting|Value|Help"),
    "Dictionaries": ("Słowniki", "Dictionaries", "Konto|Rodzaj|Nazwa|ID", "Account|Kind|Name|ID"),
}
SETTING_DEFAULTS = {
    "wait_for_updates": {"pl": "tak", "en": "yes"},
    "wait_seconds": 120,
    "shop_notes": "{message_to_seller}",
    "order_note": {"pl": "sprzedawcy", "en": "seller"},
    "delivery_vat_mode": "Highest",
    "delivery_vat_rate": 23,
    "missing_vat_rate": None,
    "orders_since": None,
    "max_price_change": 30,
    "max_ended_offers": 20,
    "keep_runs": 20,
}
LAST_ROW = 1_048_576
languages = pytest.mark.parametrize("language", ["pl", "en"])


def contract(language: str) -> dict[str, tuple[str, list[str]]]:
    """Table -> its sheet and headings in one language."""
    first = 0 if language == "pl" else 1
    return {table: (texts[first], texts[first + 2].split("|")) for table, texts in CONTRACT.items()}


@pytest.fixture
def new(tmp_path):
    """Writes a new workbook and gives it as openpyxl sees it."""

    def write(language="pl", suffix=".xlsx", *, data_only=False, **options):
        path = tmp_path / f"book{suffix}"
        write_template(path, language, **options)
        return openpyxl.load_workbook(path, data_only=data_only)

    return write


def cells_of(book, table: str) -> list[dict[str, object]]:
    """The body of a table, by heading."""
    sheet = next(sheet for sheet in book if table in sheet.tables)
    head, *body = sheet[sheet.tables[table].ref]
    return [{name.value: cell for name, cell in zip(head, row, strict=True)} for row in body]


def own_names(kind: str) -> str:
    """The dropdown of a kind of dictionary: what the account in column B owns, everything where there is none."""
    owners = f"owners_{kind}"
    first, count = f"MATCH($B2,{owners},0)-1", f"COUNTIF({owners},$B2)"
    return f'IF($B2="",list_{kind},OFFSET(list_{kind},{first},0,{count},1))'


def whole_column(sheet, number: int):
    """What is said of a whole column; neighbours that are alike share one entry."""
    (found,) = (each for each in sheet.column_dimensions.values() if each.min <= number <= each.max)
    return found


@languages
@pytest.mark.parametrize("suffix", [".xlsx", ".xlsm"])
def test_tables_sheets_and_headings_are_those_of_the_contract(new, language, suffix):
    """Every table stands on its sheet with its headings, and is ready for the first row."""
    book = new(language, suffix)
    found = {name: (sheet.title, sheet.tables[name]) for sheet in book for name in sheet.tables}
    headings = {name: (title, table.column_names) for name, (title, table) in found.items()}
    assert headings == contract(language)
    for sheet, table in ((book[title], table) for title, table in found.values()):
        assert [cell.value for cell in sheet[table.ref][0]] == table.column_names
        assert sheet.freeze_panes == "A2"
        assert table.autoFilter.ref == table.ref
    assert book.sheetnames[0] == "Start"
    assert book.sheetnames[-1] == {"pl": "Pomoc", "en": "Help"}[language]


@languages
def test_a_table_begins_with_one_blank_row(new, language):
    """Excel grows a table as one types beneath it; blank rows kept in stock would only be in the way."""
    book = new(language)
    for name, (sheet, headings) in contract(language).items():
        if name != "Settings":
            last_column = openpyxl.utils.get_column_letter(len(headings))
            assert book[sheet].tables[name].ref == f"A1:{last_column}2"
            assert all(cell.value is None for cell in book[sheet][2])


def test_products_can_have_more_rows_from_the_start(new):
    """Programs that do not grow tables get the capacity they ask for."""
    assert new(product_capacity=500)["Produkty"].tables["Products"].ref == "A1:L501"


@languages
def test_calamine_finds_the_same_tables(tmp_path, language):
    """The fast reader sees what the slow one sees."""
    path = tmp_path / "book.xlsm"
    write_template(path, language)
    book = CalamineWorkbook.from_path(path, load_tables=True)
    assert {name: list(book.get_table_by_name(name).columns) for name in book.table_names} == {
        name: headings for name, (_, headings) in contract(language).items()
    }


@pytest.mark.parametrize(
    ("sheet", "headings", "number_format"),
    [
        ("Products", ["EAN", "External ID", "Product ID", "Offer ID", "Message"], "@"),
        ("Products", ["Price"], "#,##0.00"),
        ("Products", ["Stock"], "General"),
        ("Products", ["Updated"], "yyyy-mm-dd hh:mm"),
        ("Defaults", ["Post code", "VAT rate", "Shipping rates", "Safety information"], "@"),
        ("Accounts", ["Account", "Token file"], "@"),
        ("Accounts", ["Token valid until"], "yyyy-mm-dd hh:mm"),
        ("Results", ["EAN", "Offer ID", "Trace ID"], "@"),
        ("Results", ["Link"], "General"),
        ("Results", ["Old price", "New price"], "#,##0.00"),
        ("Orders", ["Order ID", "Buyer phone", "Recipient phone", "Post code", "Tax ID", "Note"], "@"),
        ("Orders", ["Unit price", "Line total", "Paid", "Order total"], "#,##0.00"),
        ("Orders", ["Quantity"], "General"),
        ("Dictionaries", ["ID"], "@"),
    ],
)
def test_formats_belong_to_whole_columns(new, sheet, headings, number_format):
    """A cell typed a thousand rows below has its column's format: an EAN stays text, half a piece is seen as such."""
    page = new("en")[sheet]
    for heading in headings:
        column = next(cell.column for cell in page[1] if cell.value == heading)
        assert whole_column(page, column).number_format == number_format
        assert (2, column) not in page._cells  # no cell of its own that could say otherwise


@pytest.mark.parametrize(("sheet", "wraps"), [("Products", None), ("Results", True)])
def test_messages_wrap_where_they_are_read(new, sheet, wraps):
    """In Results a long message is shown whole; in Products rows keep their height, for they are worked in."""
    page = new("en")[sheet]
    message = next(cell.column for cell in page[1] if cell.value == "Message")
    alignment = whole_column(page, message).alignment
    assert (alignment.wrap_text, alignment.vertical) == (wraps, "top")


@languages
def test_dropdowns_help_and_do_not_forbid(new, language):
    """Every list covers its whole column, offers the words of the language, and lets other values through."""
    book = new(language)
    sheets = {sheet for name, (sheet, _) in contract(language).items() if name in ("Accounts", "Defaults", "Products")}
    rules = {}
    for sheet in sheets:
        for rule in book[sheet].data_validations.dataValidation:
            (area,) = rule.sqref.ranges
            assert (area.min_row, area.max_row) == (2, LAST_ROW)
            heading = book[sheet].cell(1, area.min_col).value
            rules[sheet, heading] = rule
            assert rule.errorStyle in ("warning", "information") or rule.type is None
            assert len(rule.promptTitle) <= 32
            assert 0 < len(rule.prompt) <= 255
    words = {
        "pl": {
            ("Konta", "Aktywne"): '"tak,nie"',
            ("Produkty", "Akcja"): '"utwórz,aktualizuj,aktywuj,zakończ,pomiń"',
            ("Produkty", "Konto"): "list_accounts",
            ("Produkty", "Profil"): "list_profiles",
            ("Domyślne parametry", "Konto"): "list_accounts",
            ("Domyślne parametry", "Cennik dostaw"): own_names("shipping_rates"),
            ("Domyślne parametry", "Warunki zwrotów"): own_names("return_policy"),
            ("Domyślne parametry", "Warunki reklamacji"): own_names("implied_warranty"),
            ("Domyślne parametry", "Gwarancja"): own_names("warranty"),
            ("Domyślne parametry", "Producent odpowiedzialny"): own_names("responsible_producer"),
            ("Domyślne parametry", "Osoba odpowiedzialna"): own_names("responsible_person"),
            ("Domyślne parametry", "Faktura"): '"faktura VAT,VAT marża,bez VAT,bez faktury"',
        },
        "en": {
            ("Accounts", "Active"): '"yes,no"',
            ("Products", "Action"): '"create,update,publish,end,skip"',
            ("Defaults", "Invoice"): '"VAT invoice,VAT margin,without VAT,no invoice"',
        },
    }
    found = {place: rules[place].formula1 for place in words[language]}
    assert found == words[language]
    named = {name for rule in rules.values() for name in re.findall(r"(?:list|owners)_\w+", rule.formula1 or "")}
    assert len(named) == 2 + 2 * 6
    assert named <= set(book.defined_names)


@languages
def test_every_column_of_the_users_tables_has_a_hint(new, language):
    """Selecting a cell says what belongs there, or that the tool fills it in; tables of the tool's own are quiet."""
    book = new(language)
    for table in schema.TABLES:
        sheet = book[contract(language)[table.name][0]]
        prompts = {rule.promptTitle: rule.prompt for rule in sheet.data_validations.dataValidation}
        if table in (schema.ACCOUNTS, schema.DEFAULTS, schema.PRODUCTS):
            assert prompts == {each.heading[language]: each.help[language] for each in table.columns}
        elif table is not schema.SETTINGS:
            assert prompts == {}


def test_lists_grow_with_their_tables(new):
    """The names behind the dropdowns are the tables' columns, in full; kinds are found in either language."""
    names = new("pl").defined_names
    assert names["list_accounts"].value == "Accounts[Konto]"
    assert names["list_profiles"].value == "Defaults[Profil]"
    assert names["dictionaries_name"].value == "Dictionaries[Nazwa]"
    for name, column in (("list_warranty", "dictionaries_name"), ("owners_warranty", "dictionaries_account")):
        formula = names[name].value
        assert formula.count('"gwarancja"') == 2
        assert formula.count('"warranty"') == 2
        assert f"OFFSET(INDEX({column},1)" in formula


@languages
@pytest.mark.parametrize("table", ["Products", "Results"])
def test_statuses_are_coloured_in_whole_columns(new, language, table):
    """Each of the seven signs has its colour, also in rows that do not exist yet."""
    sheet = new(language)[contract(language)[table][0]]
    letter = next(cell.column_letter for cell in sheet[1] if cell.value == "Status")
    (area,) = sheet.conditional_formatting
    assert str(area.sqref) == f"{letter}2:{letter}{LAST_ROW}"
    assert sorted(rule.text for rule in area.rules) == sorted("✔⚠⌚✖–❓→")
    assert len({rule.dxf.fill.bgColor.rgb for rule in area.rules}) == 7


def test_columns_the_tool_writes_look_different(new):
    """What is not to be filled in has a grey heading."""
    sheet = new("en")["Products"]
    colours = {cell.value: cell.fill.fgColor.rgb for cell in sheet[1]}
    written = {"Offer ID", "Status", "Message", "Updated"}
    assert {name for name, colour in colours.items() if colour == colours["Status"]} == written


@languages
def test_settings_are_filled_with_the_defaults(new, language):
    """Every setting has its row with its default, typed, and its key out of sight."""
    book = new(language)
    rows = [[cell.value for cell in row.values()] for row in cells_of(book, "Settings")]
    expected = {key: value[language] if isinstance(value, dict) else value for key, value in SETTING_DEFAULTS.items()}
    assert {key: value for key, _, value, _ in rows} == expected
    assert all(name and text for _, name, _, text in rows)
    assert book[contract(language)["Settings"][0]].column_dimensions["A"].hidden


def test_settings_have_hints_and_choices(new):
    """Each value has the setting's help as its hint, and a list where there is a choice; no two rules overlap."""
    book = new("pl")
    rules = {str(rule.sqref): rule for rule in book["Ustawienia"].data_validations.dataValidation}
    helps = {row["Wartość"].coordinate: row["Opis"].value for row in cells_of(book, "Settings")}
    assert {place: rule.prompt for place, rule in rules.items()} == helps
    lists = {place: rule.formula1 for place, rule in rules.items() if rule.type == "list"}
    assert lists == {"C2": '"tak,nie"', "C5": '"sprzedawcy,kupującego"', "C6": '"Fixed,Highest,Lowest,Last"'}


def test_given_rows_are_typed(new):
    """Text stays text whatever it looks like, numbers are numbers, times are Warsaw's, blanks are blank."""
    book = new(rows=sample_rows())
    products = cells_of(book, "Products")
    assert [(row["EAN"].value, row["EAN"].data_type) for row in products] == [
        ("0012345678905", "s"),
        ("5,90123E+12", "s"),
        ("5901234123457", "s"),
    ]
    assert [row["Cena"].value for row in products] == [1234.5, "12,30 zł", 9.9]
    assert [row["Stan"].value for row in products] == [7, 0, None]
    assert products[2]["Komunikat"].value.startswith("=A1\n")
    assert products[2]["Komunikat"].data_type == "s"
    assert products[0]["EAN"].number_format == "@"
    times = [str(row["Czas"].value) for row in cells_of(book, "Results")]
    assert times[:2] == ["2026-01-05 12:00:00", "2026-07-06 12:00:00"]
    assert cells_of(book, "Accounts")[1]["Plik tokenów"].value is None
    assert cells_of(book, "Orders")[0]["Telefon kupującego"].value == "+48600100200"
    assert cells_of(book, "Orders")[0]["VAT %"].value == 23


def test_an_address_is_a_link(new):
    """A click on Results.link opens the offer at Allegro; the cell's value is the plain address."""
    formula = cells_of(new(rows=sample_rows()), "Results")[3]["Link"].value
    assert formula == '=HYPERLINK("https://allegro.pl/oferta/1")'


def test_given_settings_replace_the_defaults(new):
    """Rows of Settings change the values of their keys and leave the others."""
    values = {row["Klucz"].value: row["Wartość"] for row in cells_of(new(rows=sample_rows()), "Settings")}
    assert values["keep_runs"].value == 5
    assert values["shop_notes"].value == "- {seller_note}"
    assert values["shop_notes"].number_format == "@"
    assert str(values["orders_since"].value) == "2026-01-02 00:00:00"
    assert values["max_price_change"].value == 30


@pytest.mark.parametrize(
    "rows",
    [{"Products": [{"prise": 1}]}, {"Product": [{"price": 1}]}, {"Settings": [{"key": "keep_run", "value": 1}]}],
    ids=["column", "table", "setting"],
)
def test_a_value_that_has_no_place_is_an_error(tmp_path, rows):
    """A misspelt key in a sample is found at once, and leaves no file behind."""
    with pytest.raises(KeyError):
        write_template(tmp_path / "book.xlsx", "pl", rows=rows)
    assert list(tmp_path.iterdir()) == []


def test_start_of_an_empty_workbook_shows_zeros(new):
    """Before the first run there are figures too, and no error value."""
    start = new("en", data_only=True)["Start"]
    values = [cell.value for row in start.iter_rows() for cell in row]
    assert "Nothing has been run yet" in values
    assert values.count(0) == 7 * 2 + 14 * 3
    assert not [value for value in values if str(value).startswith("#")]


@languages
def test_start_tells_what_to_do(new, language):
    """Four steps; with every step and daily task a button, or the command of run.bat where there are no macros."""
    plain, buttons = new(language, ".xlsx")["Start"], new(language, ".xlsm")["Start"]
    texts = {cell.value for row in plain.iter_rows() for cell in row}
    say = catalogue(language)
    assert {say.title(f"start_step_{number}") for number in (1, 2, 3, 4)} <= texts
    commands = [text.split() for text in texts if str(text).startswith("run.bat ")]
    assert sorted(action for _, action, _ in commands) == sorted(launcher.ACTIONS)
    assert {file for _, _, file in commands} == {{"pl": "PLIK", "en": "FILE"}[language]}
    assert not [cell for row in buttons.iter_rows() for cell in row if str(cell.value).startswith("run.bat ")]


@languages
def test_charts_show_figures_that_come_from_the_tables_by_name(new, language):
    """Outcomes of the last run, drafts and changes a day, value of orders a day: each a native chart over formulas."""
    book = new(language)
    start = book["Start"]
    shown = [[series.val.numRef.f.partition("!")[2] for series in chart.series] for chart in start._charts]
    figures = [[[cell.value for (cell,) in start[area]] for area in chart] for chart in shown]
    assert [[len(values) for values in chart] for chart in figures] == [[7], [14, 14], [14]]
    formulas = " ".join(formula for chart in figures for values in chart for formula in values)
    named = set(re.findall(r"\b(?:products|results|orders|start)_[a-z_]+", formulas))
    assert named == {
        *("results_run", "results_status", "results_code", "results_time"),
        *("orders_line_total", "orders_bought_at", "orders_currency", "orders_order_status"),
        *("start_run", "start_currency"),
    }
    assert named <= set(book.defined_names)
    assert "[" not in formulas  # no heading of a table: users rename them
    assert set(re.findall(r'"([a-z]+_[a-z_]+)"', formulas)) <= set(entries())  # result codes


@languages
def test_help_names_everything(new, language):
    """Every visible column, every setting and every result code with its title is in the help sheet."""
    book = new(language)
    lines = [[cell.value for cell in row] for row in book.worksheets[-1].iter_rows(max_col=4)]
    columns = {(line[0], line[1]): line[2] for line in lines}
    for name, (sheet, headings) in contract(language).items():
        for heading in headings[1:] if name == "Settings" else headings:
            assert columns[sheet, heading]
    accepted = {line[1]: line[3] for line in lines if line[0] == contract(language)["Defaults"][0]}
    shipping_rates, account = contract(language)["Defaults"][1][2], contract(language)["Defaults"][1][1]
    assert accepted[shipping_rates] == {"pl": "nazwa z listy lub ID", "en": "a name from the list or an id"}[language]
    assert accepted[account] == {"pl": "nazwa z listy", "en": "a name from the list"}[language]
    assert {each.name[language] for each in schema.SETTING_ROWS} <= {line[0] for line in lines}
    codes = {line[1]: line for line in lines}
    for code, entry in entries().items():
        if "status" in entry:
            assert codes[code][0].startswith(entries()[f"status_{entry['status']}"]["sign"])
            assert codes[code][2] == entry[language]["title"]
            assert "{" not in (codes[code][3] or "")


@pytest.mark.parametrize("suffix", [".xlsx", ".xlsm"])
def test_an_existing_file_is_never_touched(tmp_path, suffix):
    """The user's workbook is there: nothing is written, and the error says so."""
    path = tmp_path / f"book{suffix}"
    path.write_bytes(b"months of work")
    with pytest.raises(WorkbookError) as caught:
        write_template(path, "pl")
    assert caught.value.code == "workbook_exists"
    assert path.read_bytes() == b"months of work"


def test_of_two_writers_one_wins(tmp_path):
    """Started twice at the same moment, one makes the workbook and the others are told; it is whole."""
    path = tmp_path / "book.xlsx"

    def attempt(_):
        try:
            write_template(path, "pl")
        except WorkbookError as error:
            return error.code
        return "made"

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(attempt, range(6)))
    assert sorted(answers) == ["made", *["workbook_exists"] * 5]
    assert openpyxl.load_workbook(path).sheetnames[0] == "Start"


def test_a_full_disk_leaves_no_half_workbook(tmp_path):
    """A file that could not be written to its end is taken away again."""
    pytest.importorskip("resource", reason="file size limits are a thing of POSIX")
    program = """
        import resource, signal, sys
        from pathlib import Path
        from batch.errors import WorkbookError
        from batch.workbook.template import write_template
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        try:
            write_template(Path(sys.argv[1]), "pl")
        except WorkbookError as error:
            print(error.code)
    """
    path = tmp_path / "book.xlsx"
    command = [sys.executable, "-c", textwrap.dedent(program), path]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout == "workbook_not_created\n"
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_said(tmp_path):
    """Where nothing can be written, the error names the file and the reason."""
    with pytest.raises(WorkbookError) as caught:
        write_template(tmp_path / "nowhere" / "book.xlsx", "pl")
    assert caught.value.code == "workbook_not_created"
    assert "nowhere" in caught.value.facts["path"]


@pytest.mark.parametrize("name", ["book.xls", "book.ods", "book", "book.xlsx.bak"])
def test_other_kinds_of_file_are_refused(tmp_path, name):
    """Only what Excel opens as such is made."""
    with pytest.raises(WorkbookError) as caught:
        write_template(tmp_path / name, "pl")
    assert caught.value.code == "workbook_suffix"
    assert list(tmp_path.iterdir()) == []


@languages
@pytest.mark.parametrize("code", ["workbook_suffix", "workbook_exists", "workbook_not_created"])
def test_every_error_has_its_words(language, code):
    """Title, what is wrong with the file's name in it, and what to do."""
    words = catalogue(language).explain(code, path="C:\\a.xlsx", reason="No space left")
    assert words.title
    assert "C:\\a.xlsx" in words.message
    assert words.advice
