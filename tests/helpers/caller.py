"""Calls the simulator as a well-behaved application would: for tests of the simulator and for looking around."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import requests

from batch.simulator import Simulator

MEDIA_TYPE = "application/vnd.allegro.public.v1+json"
BETA = dict.fromkeys(("Accept", "Content-Type"), "application/vnd.allegro.beta.v1+json")
HEADERS = {
    "User-Agent": "Demo/1.0 (+https://example.com)",
    "Accept": MEDIA_TYPE,
    "Content-Type": MEDIA_TYPE,
    "Accept-Language": "pl-PL",
}


class Caller:
    """A seller's session; a context manager. `tokens` is what the token endpoint gave."""

    def __init__(self, simulator: Simulator, login: str = "e-sklep2", **headers: str) -> None:
        self.tokens = simulator.issue_tokens(login)
        self._url = simulator.url
        self.session = requests.Session()
        self.session.headers.update(HEADERS)
        self.session.headers["Authorization"] = f"Bearer {self.tokens['access_token']}"
        self.session.headers.update(headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.session.close()

    def get(self, path: str, **options: Any) -> requests.Response:
        """GET without following redirects."""
        return self.session.get(self._url + path, allow_redirects=False, timeout=10, **options)

    def post(self, path: str, body: Any, **options: Any) -> requests.Response:
        """POST a JSON body."""
        return self.session.post(self._url + path, json=body, allow_redirects=False, timeout=10, **options)

    def put(self, path: str, body: Any) -> requests.Response:
        """PUT a JSON body."""
        return self.session.put(self._url + path, json=body, timeout=10)

    def patch(self, path: str, body: Any) -> requests.Response:
        """PATCH with a JSON body."""
        return self.session.patch(self._url + path, json=body, timeout=10)

    def delete(self, path: str) -> requests.Response:
        """DELETE, which sends no body and so names no type of one."""
        return self.session.delete(self._url + path, headers={"Content-Type": None}, timeout=10)

    def create(self, gtin: str, external_id: str | None = None, **fields: Any) -> requests.Response:
        """POST a draft; `fields` replace or extend what a draft has."""
        return self.post("/sale/product-offers", draft(gtin, external_id, **fields))


def draft(gtin: str, external_id: str | None = None, **fields: Any) -> dict[str, Any]:
    """The body of a correct draft."""
    return {
        "productSet": [{"product": {"id": gtin, "idType": "GTIN"}}],
        "sellingMode": {"format": "BUY_NOW", "price": {"amount": "12.30", "currency": "PLN"}},
        "stock": {"available": 3, "unit": "UNIT"},
        "publication": {"status": "INACTIVE"},
        "external": {"id": external_id or gtin},
        **fields,
    }
