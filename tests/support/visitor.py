"""Somebody with a browser, as far as HTTP goes: cookies, redirects, forms, what a page shows."""

import re
from types import TracebackType
from typing import Self
from urllib.parse import urljoin

import httpx2

_KEY = re.compile(r'<code id="key"[^>]*>(ogw_\w+)</code>')


class Visitor:
    """Whoever it is at the provider is the fake's affair."""

    def __init__(self, url: str, language: str = "en") -> None:
        self.url = url
        headers = {"accept": "text/html,*/*;q=0.8", "accept-language": language}
        self.http = httpx2.Client(
            base_url=url, headers=headers, timeout=30, follow_redirects=True, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.http.close()

    def get(self, path: str) -> httpx2.Response:
        return self.http.get(path)

    def sign_in(self, provider: str = "oidc", query: str = "") -> httpx2.Response:
        """The page that it ends on."""
        return self.http.get(f"/auth/login/{provider}{query}")

    def coming_back(self, provider: str = "oidc") -> str:
        """The address by which the provider sends the browser back; not followed."""
        place = urljoin(self.url, f"/auth/login/{provider}")
        while "/auth/callback/" not in place:
            answer = self.http.get(place, follow_redirects=False)
            assert answer.is_redirect, answer.text
            place = answer.headers["location"]
        return place

    def post(self, path: str, page: httpx2.Response, **fields: str) -> httpx2.Response:
        """A form of that page, filled in."""
        return self.http.post(path, data={"form": form_of(page), **fields})

    def key(self) -> str:
        """A fresh key, by signing in."""
        return shown_key(self.sign_in())


def form_of(page: httpx2.Response) -> str:
    found = re.search(r'name="form" value="([\w-]+)"', page.text)
    assert found, page.text
    return found[1]


def shown_key(page: httpx2.Response) -> str:
    assert page.status_code == 200, page.text
    found = _KEY.search(page.text)
    assert found, page.text
    return found[1]


def shows_no_key(page: httpx2.Response) -> bool:
    return "ogw_" not in page.text


def revocations(page: httpx2.Response) -> list[str]:
    """Paths of the forms that revoke keys, as on the page: newest first."""
    return re.findall(r'action="(/auth/keys/\d+/revoke)"', page.text)
