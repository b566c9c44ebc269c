"""What a request and an answer are to the simulator's rules, which never see the HTTP server.

A module of rules lists its `Route`s; each names a function from a `Call` to an `Answer`. To refuse a
call, raise `Refused` with the error objects Allegro would send.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from batch.simulator.state import Seller, World

PUBLIC = "application/vnd.allegro.public.v1+json"
BETA = "application/vnd.allegro.beta.v1+json"
LANGUAGES = ("en-US", "pl-PL", "uk-UA", "sk-SK", "cs-CZ", "hu-HU")

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `seller` and `client_id` are known behind the gate; `outcome` is what a fault asks for."""

    world: World
    method: str
    path: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    text: str
    base_url: str
    params: Mapping[str, str] = field(default_factory=dict)
    found_seller: Seller | None = None
    client_id: str = ""
    outcome: str = ""

    @property
    def seller(self) -> Seller:
        """The seller whose token came with the call."""
        if self.found_seller is None:
            raise Refused(401, auth_error="unauthorized", detail="Full authentication is required")
        return self.found_seller

    def json(self) -> Json:
        """The body as a JSON object. Refuses anything else with 400."""
        try:
            body = json.loads(self.text)
            json.dumps(body, ensure_ascii=False).encode()  # half a surrogate pair is no text
        except ValueError as error:
            raise Refused(400, problem("JsonParseException", f"The body is not JSON: {error}")) from None
        if not isinstance(body, dict):
            raise Refused(400, problem("JsonMappingException", "The body must be a JSON object"))
        return body

    def ask(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        return next((value for key, value in self.query if key == name), default)

    def ask_all(self, name: str) -> list[str]:
        """All values of a repeated query parameter."""
        return [value for key, value in self.query if key == name]

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number of the query within bounds. Refuses others with 400."""
        text = self.ask(name, str(default))
        if not re.fullmatch(r"\d{1,9}", text) or not low <= int(text) <= high:
            raise Refused(400, problem("VALIDATION_ERROR", f"{name} must be from {low} to {high}", path=name))
        return int(text)

    def only(self, *names: str) -> None:
        """Refuse query parameters that this resource does not have."""
        for name, _ in self.query:
            if name not in names:
                raise Refused(400, problem("UnknownQueryParameter", f"Unknown query parameter {name}", path=name))


@dataclass(frozen=True, slots=True)
class Answer:
    """One response. `body` is sent as JSON, unless it is text."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = PUBLIC

    def text(self) -> str:
        """The body as it goes over the wire."""
        if self.body is None or isinstance(self.body, str):
            return self.body or ""
        return json.dumps(self.body, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Route:
    """A resource. `media_type` is what the call must accept and send."""

    method: str
    template: str
    rule: Callable[[Call], Answer]
    media_type: str = PUBLIC

    def match(self, path: str) -> dict[str, str] | None:
        """The values of the template's `{names}` when `path` is this resource."""
        names = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.template)
        found = re.fullmatch(names, path)
        return found.groupdict() if found else None


def problem(
    code: str, message: str, *, path: str | None = None, metadata: dict[str, str] | None = None, user: str = ""
) -> Json:
    """One of Allegro's error objects; the message a person reads is chosen when the answer is sent."""
    return {
        "code": code,
        "message": message,
        "details": None,
        "path": path,
        "userMessage": user,
        "metadata": metadata or {},
    }


class Refused(Exception):
    """The call is answered with `status` and these error objects, or with the shape of a failed login."""

    def __init__(
        self,
        status: int,
        *problems: Json,
        auth_error: str = "",
        detail: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, auth_error or [problem["code"] for problem in problems])
        self.status = status
        self.problems = problems
        self.auth_error = auth_error
        self.detail = detail
        self.headers = headers or {}

    def answer(self, language: str) -> Answer:
        """What goes back, with messages for people in `language`."""
        if self.auth_error:
            body: Json = {"error": self.auth_error, "error_description": self.detail}
            return Answer(self.status, body, self.headers, "application/json")
        return Answer(self.status, {"errors": localised(self.problems, language)}, self.headers)


def refuse(problems: list[Json]) -> None:
    """Answer 422 when there is anything wrong."""
    if problems:
        raise Refused(422, *problems)


USER_MESSAGES = {
    "ProductNotFoundException": (
        "No product with this identifier was found in the catalogue.",
        "Nie znaleziono w katalogu produktu o tym identyfikatorze.",
    ),
    "MultipleProductsFoundException": (
        "More than one product has this identifier. Choose one of them.",
        "Więcej niż jeden produkt ma ten identyfikator. Wybierz jeden z nich.",
    ),
    "ConstraintViolationException.MissingRequiredParameters": (
        "Required parameters of the product are missing.",
        "Brakuje wymaganych parametrów produktu.",
    ),
    "offerCounter": (
        "You already have the largest allowed number of offers of this product.",
        "Masz już największą dozwoloną liczbę ofert tego produktu.",
    ),
    "ConstraintViolationException.MaxInactiveOffers": (
        "You have reached the limit of draft offers.",
        "Osiągnięto limit szkiców ofert.",
    ),
    "ConstraintViolationException.Price": ("The price is too low.", "Cena jest zbyt niska."),
    "ShippingRatesNotFoundException": ("The shipping rates were not found.", "Nie znaleziono cennika dostaw."),
    "DefaultShippingRatesNotFoundException": ("Choose shipping rates.", "Wybierz cennik dostaw."),
    "TooManyRequestsException": ("Too many requests, slow down.", "Zbyt wiele zapytań, zwolnij."),
}
GENERAL_MESSAGES = (
    "The request contains invalid data. Contact the author of the application.",
    "Zapytanie zawiera nieprawidłowe dane. Skontaktuj się z autorem aplikacji.",
)


def localised(problems: Sequence[Json], language: str) -> list[Json]:
    """The error objects with `userMessage` in Polish for `pl-PL`, in English for every other language."""
    column = 1 if language == "pl-PL" else 0
    return [
        {**item, "userMessage": item["userMessage"] or USER_MESSAGES.get(item["code"], GENERAL_MESSAGES)[column]}
        for item in problems
    ]
