"""Requests that another page in the same browser could make are refused; the page's own are not."""

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from playground.security import middleware

OWN = "http://127.0.0.1:7860"


@pytest.fixture
def client() -> TestClient:
    def answer(_request: object) -> PlainTextResponse:
        return PlainTextResponse("done")

    app = Starlette(routes=[Route("/", answer, methods=["GET", "POST"])], middleware=middleware(7860))
    return TestClient(app, base_url=OWN)


@pytest.mark.parametrize(
    "headers",
    [
        {},  # a script outside any browser
        {"Origin": OWN, "Sec-Fetch-Site": "same-origin"},
        {"Origin": "http://localhost:7860", "Host": "localhost:7860"},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},  # typed address
    ],
)
def test_the_pages_own_requests_pass(client: TestClient, headers: dict[str, str]) -> None:
    assert client.post("/", headers=headers).text == "done"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8000"},  # another local server
        {"Origin": "https://127.0.0.1:7860"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},  # a form's POST
    ],
)
def test_requests_of_other_pages_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    assert client.post("/", headers=headers).status_code == 403


def test_a_link_from_another_site_opens_the_page_but_not_in_a_frame(client: TestClient) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    answer = client.get("/", headers=link | {"Sec-Fetch-Dest": "document"})
    assert answer.text == "done"
    assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert client.get("/", headers=link | {"Sec-Fetch-Dest": "iframe"}).status_code == 403


def test_a_rebound_host_name_is_refused(client: TestClient) -> None:
    assert client.get("/", headers={"Host": "evil.example:7860"}).status_code == 400
