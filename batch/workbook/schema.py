"""Every table of the workbook: headings, types, dropdowns, help texts. Data only.

The template, the reader, the writer, the help sheet and the documentation all come from here.
Table names are the identity of a table, in every language; headings are matched in any language
without regard to case or spaces, because users rename sheets and move columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

LANGUAGES = ("pl", "en")


@dataclass(frozen=True, slots=True)
class Words:
    """One text in each supported language."""

    pl: str
    en: str

    def __getitem__(self, language: str) -> str:
        return self.pl if language == "pl" else self.en


class Kind(StrEnum):
    """How the cells of a column are typed and formatted."""

    TEXT = "text"  # kept as text, whatever it looks like: EAN, ids, phones
    LONG_TEXT = "long_text"  # wrapped
    MONEY = "money"  # number with two decimals
    INTEGER = "integer"
    NUMBER = "number"
    DATETIME = "datetime"  # Europe/Warsaw
    LINK = "link"  # an address on the web that a click opens


@dataclass(frozen=True, slots=True)
class Choice:
    """A word a cell may hold, and the code it stands for. `also` are further accepted spellings."""

    code: str
    words: Words
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `written` columns are the tool's own, the others are never touched."""

    key: str
    heading: Words
    help: Words
    kind: Kind = Kind.TEXT
    written: bool = False
    choices: tuple[Choice, ...] = ()
    dictionary: str = ""  # kind of `Dictionaries` row, or `accounts` or `profiles`: what feeds the dropdown
    width: int = 16
    hidden: bool = False
    fixed: bool = False  # part of the form: neither the user nor the tool changes it


@dataclass(frozen=True, slots=True)
class Table:
    """One Excel table (ListObject) on a sheet of its own."""

    name: str
    sheet: Words
    columns: tuple[Column, ...]

    def column(self, key: str) -> Column:
        """The column called `key`; KeyError when the table has none."""
        for column in self.columns:
            if column.key == key:
                return column
        raise KeyError(key)


def _in(key: str, pl: str, en: str, help_pl: str, help_en: str, **more: object) -> Column:
    return Column(key, Words(pl, en), Words(help_pl, help_en), **more)  # type: ignore[arg-type]


def _out(key: str, pl: str, en: str, help_pl: str, help_en: str, **more: object) -> Column:
    return _in(key, pl, en, help_pl, help_en, written=True, **more)


YES_NO = (
    Choice("yes", Words("tak", "yes"), ("true", "1", "prawda", "t", "y", "x")),
    Choice("no", Words("nie", "no"), ("false", "0", "fałsz", "falsz", "n")),
)
ACTIONS = (
    Choice("create", Words("utwórz", "create"), ("utworz",)),
    Choice("update", Words("aktualizuj", "update")),
    Choice("publish", Words("aktywuj", "publish")),
    Choice("end", Words("zakończ", "end"), ("zakoncz",)),
    Choice("skip", Words("pomiń", "skip"), ("pomin",)),
)
# OpenAPI, DeliveryProductOfferRequest.handlingTime: the only values Allegro takes.
HANDLING_TIMES = (
    Choice("PT0S", Words("natychmiast", "immediately"), ("od razu",)),
    Choice("PT24H", Words("24 godziny", "24 hours"), ("24h", "24 h", "1 dzień", "1 day", "P1D")),
    *(
        Choice(f"P{days}D", Words(f"{days} dni", f"{days} days"), (f"PT{days * 24}H",))
        for days in (2, 3, 4, 5, 7, 10, 14, 21, 30, 60)
    ),
)
INVOICES = (
    Choice("VAT", Words("faktura VAT", "VAT invoice"), ("VAT",)),
    Choice("VAT_MARGIN", Words("VAT marża", "VAT margin"), ("faktura VAT marża", "VAT margin invoice")),
    Choice("WITHOUT_VAT", Words("bez VAT", "without VAT"), ("faktura bez VAT", "invoice without VAT")),
    Choice("NO_INVOICE", Words("bez faktury", "no invoice"), ("nie wystawiam faktury",)),
)
# OpenAPI, OfferDuration: what a buy-now offer may last; UNLIMITED is our word for "until sold out" (null).
DURATIONS = (
    Choice("UNLIMITED", Words("do wyczerpania", "until sold out"), ("do wyczerpania zapasów", "bezterminowo")),
    *(
        Choice(f"P{days}D", Words(f"{days} dni", f"{days} days"), (f"PT{days * 24}H",))
        for days in (3, 5, 7, 10, 20, 30)
    ),
)
PROVINCES = tuple(
    Choice(code, Words(pl, pl))
    for code, pl in (
        ("DOLNOSLASKIE", "Dolnośląskie"),
        ("KUJAWSKO_POMORSKIE", "Kujawsko-pomorskie"),
        ("LUBELSKIE", "Lubelskie"),
        ("LUBUSKIE", "Lubuskie"),
        ("LODZKIE", "Łódzkie"),
        ("MALOPOLSKIE", "Małopolskie"),
        ("MAZOWIECKIE", "Mazowieckie"),
        ("OPOLSKIE", "Opolskie"),
        ("PODKARPACKIE", "Podkarpackie"),
        ("PODLASKIE", "Podlaskie"),
        ("POMORSKIE", "Pomorskie"),
        ("SLASKIE", "Śląskie"),
        ("SWIETOKRZYSKIE", "Świętokrzyskie"),
        ("WARMINSKO_MAZURSKIE", "Warmińsko-mazurskie"),
        ("WIELKOPOLSKIE", "Wielkopolskie"),
        ("ZACHODNIOPOMORSKIE", "Zachodniopomorskie"),
    )
)
COUNTRIES = (
    Choice("PL", Words("Polska", "Poland")),
    Choice("CZ", Words("Czechy", "Czechia"), ("Czech Republic",)),
    Choice("SK", Words("Słowacja", "Slovakia")),
    Choice("HU", Words("Węgry", "Hungary")),
    Choice("DE", Words("Niemcy", "Germany")),
    Choice("CN", Words("Chiny", "China")),
)
OFFER_LANGUAGES = (
    Choice("pl-PL", Words("polski", "Polish"), ("pl",)),
    Choice("en-US", Words("angielski", "English"), ("en",)),
    Choice("cs-CZ", Words("czeski", "Czech"), ("cs", "cz")),
    Choice("sk-SK", Words("słowacki", "Slovak"), ("sk",)),
    Choice("hu-HU", Words("węgierski", "Hungarian"), ("hu",)),
    Choice("uk-UA", Words("ukraiński", "Ukrainian"), ("uk", "ua")),
)
CURRENCIES = tuple(Choice(code, Words(code, code)) for code in ("PLN", "CZK", "EUR", "HUF"))
VAT_RATES = tuple(Choice(rate, Words(f"{rate}%", f"{rate}%")) for rate in ("23", "8", "5", "0"))
LINE_TYPES = (
    Choice("item", Words("towar", "item")),
    Choice("service", Words("usługa", "service")),
    Choice("delivery", Words("dostawa", "delivery")),
)
# OpenAPI: CheckoutFormStatus, CheckoutFormFulfillmentStatus, CheckoutFormPaymentType; LINE_REMOVED is ours.
ORDER_STATUSES = (
    Choice("BOUGHT", Words("kupione", "bought")),
    Choice("FILLED_IN", Words("oczekuje na płatność", "awaiting payment")),
    Choice("READY_FOR_PROCESSING", Words("do realizacji", "ready for processing")),
    Choice("CANCELLED", Words("anulowane", "cancelled")),
    Choice("LINE_REMOVED", Words("pozycja usunięta", "line removed")),
)
FULFILLMENT_STATUSES = (
    Choice("NEW", Words("nowe", "new")),
    Choice("PROCESSING", Words("w realizacji", "processing")),
    Choice("READY_FOR_SHIPMENT", Words("do wysłania", "ready for shipment")),
    Choice("READY_FOR_PICKUP", Words("do odbioru", "ready for pickup")),
    Choice("SENT", Words("wysłane", "sent")),
    Choice("PICKED_UP", Words("odebrane", "picked up")),
    Choice("CANCELLED", Words("anulowane", "cancelled")),
    Choice("SUSPENDED", Words("wstrzymane", "suspended")),
    Choice("RETURNED", Words("zwrócone", "returned")),
)
PAYMENTS = (
    Choice("CASH_ON_DELIVERY", Words("za pobraniem", "cash on delivery")),
    Choice("WIRE_TRANSFER", Words("przelew", "wire transfer")),
    Choice("ONLINE", Words("płatność online", "online payment")),
    Choice("SPLIT_PAYMENT", Words("podzielona płatność", "split payment")),
    Choice("EXTENDED_TERM", Words("odroczony termin", "extended term")),
)
# Allegro's words for what has no rate (#10047, #7846), and the abbreviations of Polish books, the same in any language.
VAT_WORDS = (
    Choice("EXEMPT", Words("zw.", "zw."), ("zw", "zwolniony", "zwolnione")),
    Choice(
        "OUT_OF_SCOPE_OF_VAT", Words("np.", "np."), ("np", "OUT_OF_SCOPE", "poza VAT", "poza VAT / NP", "nie podlega")
    ),
)
DICTIONARY_KINDS = (
    Choice("shipping_rates", Words("cennik dostaw", "shipping rates")),
    Choice("return_policy", Words("warunki zwrotów", "return policy")),
    Choice("implied_warranty", Words("warunki reklamacji", "implied warranty")),
    Choice("warranty", Words("gwarancja", "warranty")),
    Choice("responsible_producer", Words("producent odpowiedzialny", "responsible producer")),
    Choice("responsible_person", Words("osoba odpowiedzialna", "responsible person")),
)

# fmt: off
ACCOUNTS = Table(
    "Accounts",
    Words("Konta", "Accounts"),
    (
        _in("account", "Konto", "Account",
            "Twoja nazwa konta Allegro, np. e-sklep1. Tą nazwą wskazujesz konto w innych tabelach.",
            "Your name for the Allegro account, e.g. e-shop1. Other tables refer to it by this name.", width=20),
        _in("environment", "Środowisko", "Environment",
            "Nazwa środowiska z pliku batch.yaml: production, sandbox lub własna.",
            "Name of an environment in batch.yaml: production, sandbox or your own.", width=14),
        _in("token_file", "Plik tokenów", "Token file",
            "Gdzie leży plik tokenów tego konta. Puste: KONTO.allegro.token obok skoroszytu.",
            "Where this account's token file lies. Blank: ACCOUNT.allegro.token beside the workbook.", width=34),
        _in("active", "Aktywne", "Active", "tak lub nie. Puste znaczy tak. Wiersze nieaktywnego konta są pomijane.",
            "yes or no. Blank means yes. Rows of an inactive account are skipped.", choices=YES_NO, width=10),
        _out("login", "Powiązane konto", "Linked account", "Login Allegro, z którym połączono to konto.",
            "The Allegro login this account is linked to.", width=20),
        _out("valid_until", "Token ważny do", "Token valid until",
            "Do kiedy ważny jest bieżący token. Odnawia się sam.",
            "Until when the current token is valid. It renews itself.", kind=Kind.DATETIME, width=18),
        _out("token_state", "Stan tokenów", "Token state", "Czy tokeny są w porządku, a jeśli nie, co zrobić.",
            "Whether the tokens are all right, and what to do if not.", width=40),
    ),
)

DEFAULTS = Table(
    "Defaults",
    Words("Domyślne parametry", "Defaults"),
    (
        _in("profile", "Profil", "Profile",
            "Nazwa zestawu parametrów. Pusty profil obowiązuje, gdy produkt nie wskazuje żadnego.",
            "Name of this set of parameters. The blank profile applies when a product names none."),
        _in("account", "Konto", "Account", "Konto, którego dotyczy zestaw. Puste: wszystkie konta.",
            "The account this set belongs to. Blank: all accounts.", dictionary="accounts", width=20),
        _in("shipping_rates", "Cennik dostaw", "Shipping rates",
            "Nazwa cennika dostaw z konta Allegro (lub jego ID).",
            "Name of a shipping rates set of the Allegro account (or its id).", dictionary="shipping_rates",
            width=24),
        _in("return_policy", "Warunki zwrotów", "Return policy", "Nazwa warunków zwrotów z konta Allegro (lub ID).",
            "Name of a return policy of the Allegro account (or its id).", dictionary="return_policy", width=24),
        _in("implied_warranty", "Warunki reklamacji", "Implied warranty",
            "Nazwa warunków reklamacji z konta Allegro (lub ID).",
            "Name of an implied warranty of the Allegro account (or its id).", dictionary="implied_warranty",
            width=24),
        _in("warranty", "Gwarancja", "Warranty", "Nazwa gwarancji z konta Allegro (lub ID).",
            "Name of a warranty of the Allegro account (or its id).", dictionary="warranty", width=24),
        _in("handling_time", "Czas wysyłki", "Handling time", "Po jakim czasie wysyłasz, np. 24 godziny.",
            "How soon you dispatch, e.g. 24 hours.", choices=HANDLING_TIMES, width=14),
        _in("invoice", "Faktura", "Invoice", "Jaką fakturę wystawiasz, np. faktura VAT.",
            "What invoice you issue, e.g. VAT invoice.", choices=INVOICES),
        _in("duration", "Czas trwania", "Duration",
            "Jak długo trwa oferta po aktywacji. Puste: do wyczerpania zapasów.",
            "How long the offer lasts once published. Blank: until sold out.", choices=DURATIONS),
        _in("country", "Kraj", "Country", "Kraj, z którego wysyłasz, np. Polska lub PL.",
            "The country you ship from, e.g. Poland or PL.", choices=COUNTRIES, width=12),
        _in("province", "Województwo", "Province", "Województwo, wymagane gdy krajem jest Polska.",
            "Province, needed when the country is Poland.", choices=PROVINCES, width=20),
        _in("city", "Miasto", "City", "Miasto, z którego wysyłasz.", "The city you ship from."),
        _in("post_code", "Kod pocztowy", "Post code", "Kod pocztowy, np. 60-166.", "Post code, e.g. 60-166.", width=12),
        _in("vat_rate", "Stawka VAT", "VAT rate", "Stawka VAT w procentach, np. 23. Puste: nie podawaj.",
            "VAT rate in percent, e.g. 23. Blank: not given.", choices=VAT_RATES, width=12),
        _in("responsible_producer", "Producent odpowiedzialny", "Responsible producer",
            "Nazwa producenta odpowiedzialnego (GPSR) z konta Allegro lub ID.",
            "Name of a responsible producer (GPSR) of the Allegro account, or its id.",
            dictionary="responsible_producer", width=26),
        _in("responsible_person", "Osoba odpowiedzialna", "Responsible person",
            "Nazwa osoby odpowiedzialnej (GPSR) z konta Allegro lub ID.",
            "Name of a responsible person (GPSR) of the Allegro account, or its id.",
            dictionary="responsible_person", width=26),
        _in("safety_information", "Informacje o bezpieczeństwie", "Safety information",
            "Tekst o bezpieczeństwie produktu (GPSR), do 5000 znaków.",
            "Product safety text (GPSR), up to 5000 characters.", kind=Kind.LONG_TEXT, width=34),
        _in("language", "Język oferty", "Offer language", "Język oferty. Puste: język Allegro danego kraju.",
            "Language of the offer. Blank: that of the base marketplace.", choices=OFFER_LANGUAGES, width=14),
        _in("currency", "Waluta", "Currency", "Waluta cen. Puste: PLN.", "Currency of the prices. Blank: PLN.",
            choices=CURRENCIES, width=10),
    ),
)

PRODUCTS = Table(
    "Products",
    Words("Produkty", "Products"),
    (
        _in("account", "Konto", "Account", "Na którym koncie Allegro ma powstać oferta.",
            "The Allegro account the offer is made on.", dictionary="accounts", width=18),
        _in("ean", "EAN", "EAN", "Kod kreskowy produktu (EAN-8, EAN-13, UPC, GTIN-14).",
            "Barcode of the product (EAN-8, EAN-13, UPC, GTIN-14)."),
        _in("price", "Cena", "Price", "Cena brutto, np. 12,30.", "Gross price, e.g. 12.30.", kind=Kind.MONEY, width=12),
        _in("stock", "Stan", "Stock", "Liczba sztuk na sprzedaż.", "Pieces for sale.", kind=Kind.INTEGER, width=9),
        _in("external_id", "Sygnatura", "External ID",
            "Twój symbol towaru. Puste: sygnaturą nowego szkicu będzie EAN.",
            "Your own product code. Blank: a new draft gets the EAN.", width=18),
        _in("profile", "Profil", "Profile", "Zestaw domyślnych parametrów. Puste: domyślny zestaw konta.",
            "Set of default parameters. Blank: the account's default set.", dictionary="profiles"),
        _in("product_id", "ID produktu", "Product ID",
            "Identyfikator produktu z katalogu Allegro, gdy EAN pasuje do kilku.",
            "Id of the product in Allegro's catalogue, when an EAN fits several.", width=20),
        _in("action", "Akcja", "Action", "Puste: program sam wybiera. utwórz, aktualizuj, aktywuj, zakończ, pomiń.",
            "Blank: the tool decides. create, update, publish, end, skip.", choices=ACTIONS, width=13),
        _out("offer_id", "ID oferty", "Offer ID",
            "Numer oferty Allegro. Wpisuje program; możesz też wkleić numer istniejącej oferty.",
            "Number of the Allegro offer. Written by the tool; you may paste that of an existing offer."),
        _out("status", "Status", "Status", "Co się stało z wierszem.", "What became of this row.", width=20),
        _out("message", "Komunikat", "Message", "Co jest nie tak i co zrobić, w jednym wierszu.",
            "What is wrong and what to do, on one line.", width=90),
        _out("updated_at", "Zaktualizowano", "Updated", "Kiedy program odpowiedział.", "When the tool answered.",
            kind=Kind.DATETIME, width=18),
    ),
)

RESULTS = Table(
    "Results",
    Words("Wyniki", "Results"),
    (
        _out("run", "Przebieg", "Run", "Nazwa przebiegu.", "Name of the run.", width=22),
        _out("time", "Czas", "Time", "Kiedy.", "When.", kind=Kind.DATETIME, width=18),
        _out("account", "Konto", "Account", "Konto.", "Account.", width=18),
        _out("row", "Wiersz", "Row", "Numer wiersza w chwili przebiegu.", "Row number at the time of the run.",
            kind=Kind.INTEGER, width=8),
        _out("ean", "EAN", "EAN", "Kod kreskowy.", "Barcode."),
        _out("external_id", "Sygnatura", "External ID", "Sygnatura.", "External id.", width=18),
        _out("action", "Akcja", "Action", "Co program robił.", "What the tool did.", width=13),
        _out("status", "Status", "Status", "Co z tego wyszło.", "What came of it.", width=20),
        _out("code", "Kod", "Code", "Stały kod wyniku; opis w arkuszu pomocy.",
            "Stable result code; see the help sheet.", width=20),
        _out("message", "Komunikat", "Message", "Co jest nie tak i co zrobić.", "What is wrong and what to do.",
            kind=Kind.LONG_TEXT, width=80),
        _out("offer_id", "ID oferty", "Offer ID", "Numer oferty Allegro.", "Number of the Allegro offer."),
        _out("link", "Link", "Link", "Oferta w Allegro.", "The offer at Allegro.", kind=Kind.LINK, width=40),
        _out("old_price", "Stara cena", "Old price", "Cena przed zmianą.", "Price before the change.",
            kind=Kind.MONEY, width=12),
        _out("new_price", "Nowa cena", "New price", "Cena po zmianie.", "Price after the change.", kind=Kind.MONEY,
            width=12),
        _out("old_stock", "Stary stan", "Old stock", "Stan przed zmianą.", "Stock before the change.",
            kind=Kind.INTEGER, width=11),
        _out("new_stock", "Nowy stan", "New stock", "Stan po zmianie.", "Stock after the change.",
            kind=Kind.INTEGER, width=11),
        _out("trace_id", "Trace ID", "Trace ID", "Identyfikator dla pomocy technicznej Allegro.",
            "Identifier for Allegro's support.", width=20),
    ),
)

ORDERS = Table(
    "Orders",
    Words("Zamówienia", "Orders"),
    (
        _out("account", "Konto", "Account", "Konto.", "Account.", width=18),
        _out("order_id", "ID zamówienia", "Order ID", "Numer zamówienia.", "Order number.", width=38),
        _out("line_id", "ID pozycji", "Line ID", "Numer pozycji.", "Line number.", width=38),
        _out("line_type", "Rodzaj", "Type", "towar, usługa lub dostawa.", "item, service or delivery.", width=10),
        _out("bought_at", "Data zakupu", "Bought at", "Kiedy kupiono.", "When it was bought.", kind=Kind.DATETIME,
            width=18),
        _out("order_status", "Status zamówienia", "Order status", "Status zamówienia.", "Order status.", width=20),
        _out("fulfillment", "Realizacja", "Fulfillment", "Etap realizacji.", "Stage of fulfillment."),
        _out("buyer_login", "Login", "Buyer login", "Login kupującego.", "The buyer's login."),
        _out("buyer_email", "Email", "Buyer email", "Email kupującego.", "The buyer's email.", width=32),
        _out("buyer_name", "Kupujący", "Buyer name", "Imię i nazwisko.", "The buyer's name.", width=22),
        _out("buyer_phone", "Telefon kupującego", "Buyer phone", "Telefon kupującego.", "The buyer's phone."),
        _out("delivery_method", "Dostawa", "Delivery method", "Sposób dostawy.", "Delivery method.", width=26),
        _out("delivery_name", "Odbiorca", "Recipient", "Odbiorca.", "Recipient.", width=22),
        _out("delivery_street", "Ulica", "Street", "Ulica i numer.", "Street and number.", width=24),
        _out("delivery_post_code", "Kod pocztowy", "Post code", "Kod pocztowy.", "Post code.", width=12),
        _out("delivery_city", "Miasto", "City", "Miasto.", "City."),
        _out("delivery_country", "Kraj", "Country", "Kraj.", "Country.", width=8),
        _out("delivery_phone", "Telefon odbiorcy", "Recipient phone", "Telefon odbiorcy.", "The recipient's phone."),
        _out("pickup_point", "Punkt odbioru", "Pickup point", "Punkt odbioru.", "Pickup point.", width=22),
        _out("offer_id", "ID oferty", "Offer ID", "Numer oferty.", "Offer number."),
        _out("external_id", "Sygnatura", "External ID", "Sygnatura.", "External id.", width=18),
        _out("name", "Nazwa", "Name", "Nazwa pozycji.", "Name of the line.", width=40),
        _out("quantity", "Ilość", "Quantity", "Ilość.", "Quantity.", kind=Kind.INTEGER, width=8),
        _out("unit_price", "Cena jedn.", "Unit price", "Cena jednostkowa brutto.", "Gross unit price.",
            kind=Kind.MONEY, width=12),
        _out("line_total", "Wartość", "Line total", "Wartość brutto.", "Gross value.", kind=Kind.MONEY, width=12),
        _out("currency", "Waluta", "Currency", "Waluta.", "Currency.", width=8),
        _out(
            "vat_rate", "VAT %", "VAT %", "Stawka VAT w procentach; zw. zwolnione, np. poza VAT, puste: nieznana.",
            "VAT rate in percent; zw. exempt, np. outside VAT, blank: unknown.", kind=Kind.NUMBER, width=8),
        _out("payment", "Płatność", "Payment", "Rodzaj płatności.", "Kind of payment.", width=18),
        _out("paid", "Zapłacono", "Paid", "Zapłacona kwota.", "Amount paid.", kind=Kind.MONEY, width=12),
        _out("order_total", "Razem", "Order total", "Wartość całego zamówienia.", "Value of the whole order.",
            kind=Kind.MONEY, width=12),
        _out("invoice", "Faktura", "Invoice", "Czy kupujący prosi o fakturę.",
            "Whether the buyer wants an invoice.", width=9),
        _out("company", "Firma", "Company", "Nazwa firmy.", "Company name.", width=24),
        _out("tax_id", "NIP", "Tax ID", "NIP kupującego.", "The buyer's tax id."),
        _out(
            "invoice_address", "Adres do faktury", "Invoice address", "Adres do faktury.", "Invoice address.", width=34),
        _out("note", "Notatka", "Note", "Notatka wybrana w ustawieniach.", "The note chosen in the settings.",
            kind=Kind.LONG_TEXT, width=34),
        _out("shop_notes", "Uwagi", "Shop notes", "Treść według ustawienia shop_notes.",
            "Text made by the shop_notes setting.", kind=Kind.LONG_TEXT, width=34),
        _out("updated_at", "Zaktualizowano", "Updated", "Kiedy zapisano wiersz.", "When the row was written.",
            kind=Kind.DATETIME, width=18),
    ),
)

SETTINGS = Table(
    "Settings",
    Words("Ustawienia", "Settings"),
    (
        _in("key", "Klucz", "Key", "Stała nazwa ustawienia.", "Fixed name of the setting.", hidden=True, fixed=True,
            width=20),
        _in("name", "Ustawienie", "Setting", "Co ustawiasz.", "What is set.", fixed=True, width=40),
        _in("value", "Wartość", "Value", "Twoja wartość.", "Your value.", width=24),
        _in("help", "Opis", "Help", "Opis ustawienia.", "What the setting means.", kind=Kind.LONG_TEXT, fixed=True,
            width=80),
    ),
)

DICTIONARIES = Table(
    "Dictionaries",
    Words("Słowniki", "Dictionaries"),
    (
        _out("account", "Konto", "Account", "Konto.", "Account.", width=20),
        _out("kind", "Rodzaj", "Kind", "Rodzaj słownika.", "Kind of dictionary.", width=26),
        _out("name", "Nazwa", "Name", "Nazwa na koncie Allegro.", "Name at the Allegro account.", width=40),
        _out("id", "ID", "ID", "Identyfikator Allegro.", "Allegro's id.", width=40),
    ),
)

# fmt: on
TABLES = (ACCOUNTS, DEFAULTS, PRODUCTS, RESULTS, ORDERS, SETTINGS, DICTIONARIES)


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the `Settings` table."""

    key: str
    name: Words
    help: Words
    default: str
    choices: tuple[Choice, ...] = ()


NOTE_SOURCES = (
    Choice("seller", Words("sprzedawcy", "seller"), ("sprzedawca",)),
    Choice("buyer", Words("kupującego", "buyer"), ("kupujący",)),
)
VAT_MODES = tuple(
    Choice(mode, Words(mode, mode), (word,))
    for mode, word in (("Fixed", "stała"), ("Highest", "najwyższa"), ("Lowest", "najniższa"), ("Last", "ostatnia"))
)

# fmt: off
SETTING_ROWS = (
    Setting("wait_for_updates",
            Words("Czekaj na wynik aktualizacji ofert", "Wait for the result of updates"),
            Words("tak: program czeka, aż Allegro przetworzy zmiany. nie: wiersz może zostać ze znakiem ⌚ do następnego przebiegu.",
                  "yes: the tool waits until Allegro has processed the changes. no: a row may stay at ⌚ until the next run."),
            "yes", YES_NO),
    Setting("wait_seconds",
            Words("Ile sekund czekać", "How many seconds to wait"),
            Words("Zalecane co najmniej 120.", "At least 120 is advised."), "120"),
    Setting("shop_notes",
            Words("Zawartość pola {shop_notes}", "Content of {shop_notes}"),
            Words("Tekst z polami: {buyer_email} {buyer_login} {item_id} {message_to_seller} {seller_note} {pickup_point}",
                  "Text with the fields: {buyer_email} {buyer_login} {item_id} {message_to_seller} {seller_note} {pickup_point}"),
            "{message_to_seller}"),
    Setting("order_note",
            Words("Notatka na liście zamówień", "Note shown in the order list"),
            Words("sprzedawcy: Twoja notatka. kupującego: wiadomość od kupującego.",
                  "seller: the seller's note. buyer: the buyer's message."), "seller", NOTE_SOURCES),
    Setting("delivery_vat_mode",
            Words("Stawka VAT za transport", "VAT rate of the delivery"),
            Words("Fixed: stała. Highest: najwyższa z towarów. Lowest: najniższa. Last: z ostatniej pozycji.",
                  "Fixed: the rate below. Highest of the items. Lowest of the items. Last: that of the last line."),
            "Highest", VAT_MODES),
    Setting("delivery_vat_rate",
            Words("Stawka (%)", "Rate (%)"),
            Words("Stawka dla trybu Fixed.", "The rate for Fixed."), "23"),
    Setting("missing_vat_rate",
            Words("Stawka VAT, gdy Allegro jej nie podaje", "VAT rate where Allegro gives none"),
            Words("Puste: zostaw puste i ostrzeż.", "Blank: leave blank and warn."), ""),
    Setting("orders_since",
            Words("Zamówienia od dnia", "Orders since"),
            Words("Data. Puste: ostatnie 30 dni, potem od ostatniego przebiegu.",
                  "A date. Blank: the last 30 days, then since the last run."), ""),
    Setting("max_price_change",
            Words("Największa zmiana ceny (%)", "Largest price change (%)"),
            Words("Większa zmiana jest odrzucana, chyba że użyjesz --force.",
                  "A larger change is refused unless --force is used."), "30"),
    Setting("max_ended_offers",
            Words("Najwięcej zakończonych ofert naraz", "Most offers ended at once"),
            Words("Gdy przebieg zakończyłby więcej ofert, albo wyzerował stan ponad połowy aktywnych ofert konta "
                  "(co najmniej 10), te wiersze są odrzucane, chyba że użyjesz --force.",
                  "When a run would end more, or empty more than half of an account's active offers (10 at least), "
                  "those rows are refused unless --force is used."), "20"),
    Setting("keep_runs",
            Words("Ile przebiegów trzymać w Wynikach", "Runs kept in Results"),
            Words("Starsze zostają w dzienniku.", "Older ones stay in the journal."), "20"),
)

# fmt: on


def heading_key(text: str) -> str:
    """A heading reduced to what identifies it: no case, no spaces."""
    return "".join(text.split()).casefold()


def columns_by_heading(table: Table) -> dict[str, Column]:
    """All accepted headings of a table (every language, and the key itself) to their columns."""
    accepted: dict[str, Column] = {}
    for column in table.columns:
        for text in (column.key, column.heading.pl, column.heading.en):
            accepted.setdefault(heading_key(text), column)
    return accepted


def word(choices: tuple[Choice, ...], code: str, language: str) -> str:
    """The word for `code` in `language`; StopIteration when there is no such choice."""
    return next(choice.words[language] for choice in choices if choice.code == code)


def word_or_code(choices: tuple[Choice, ...], code: str, language: str) -> str:
    """The word for `code`, or the code itself when Allegro has a new one."""
    return next((choice.words[language] for choice in choices if choice.code == code), code)


@lru_cache(maxsize=1000)  # rows say the same few words again and again
def choose(choices: tuple[Choice, ...], text: str) -> str | None:
    """The code of the choice that `text` names in any language or as the code itself; None if none does."""
    wanted = heading_key(text)
    for choice in choices:
        if wanted in {heading_key(t) for t in (choice.code, choice.words.pl, choice.words.en, *choice.also)}:
            return choice.code
    return None
