"""Requests that another page in the same browser could make are refused; the page's own are not."""

import base64
import socket

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from playground.security import Guard, middleware, parse_auth

OWN = "http://127.0.0.1:7860"


@pytest.fixture
def client() -> TestClient:
    def answer(_request: object) -> PlainTextResponse:
        return PlainTextResponse("done")

    app = Starlette(routes=[Route("/", answer, methods=["GET", "POST"])], middleware=middleware("127.0.0.1"))
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


# --- over a network -------------------------------------------------------------------------------------------

KNOWN = {"Authorization": "Basic " + base64.b64encode(b"ann:correct horse").decode()}
ELSEWHERE = "http://192.168.1.20:7860"


@pytest.fixture
def open_to_all() -> TestClient:
    def answer(_request: object) -> PlainTextResponse:
        return PlainTextResponse("done")

    paths = ["/", "/gradio_api/queue/join", "/gradio_api/component_server", "/gradio_api/upload", "/gradio_api/file=x"]
    guard = middleware("0.0.0.0", "ann:correct horse")
    app = Starlette(routes=[Route(path, answer, methods=["GET", "POST"]) for path in paths], middleware=guard)
    app.state.paths = paths
    return TestClient(app, base_url=ELSEWHERE)


def test_over_a_network_every_route_asks_for_the_password(open_to_all: TestClient) -> None:
    for path in open_to_all.app.state.paths:  # type: ignore[attr-defined]
        for wrong in ({}, {"Authorization": "Basic YW5uOndyb25n"}, {"Authorization": "Bearer x"}):
            answer = open_to_all.post(path, headers=wrong)
            assert answer.status_code == 401 and answer.headers["WWW-Authenticate"].startswith("Basic")
        assert open_to_all.post(path, headers=KNOWN).text == "done"


@pytest.mark.parametrize("host", ["192.168.1.20:7860", "[fe80::1]:7860", "localhost:7860", socket.gethostname()])
def test_over_a_network_it_is_reached_by_number_or_by_the_machines_name(open_to_all: TestClient, host: str) -> None:
    assert open_to_all.get("/", headers=KNOWN | {"Host": host, "Origin": f"http://{host}"}).text == "done"
    assert open_to_all.get("/", headers=KNOWN | {"Host": host, "Origin": "http://evil.example"}).status_code == 403


def test_over_a_network_a_rebound_name_is_refused_before_the_password_is_asked_for(open_to_all: TestClient) -> None:
    assert open_to_all.get("/", headers=KNOWN | {"Host": "evil.example:7860"}).status_code == 400


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.20", "::"])
def test_no_other_machine_without_a_password_and_the_reason_is_said(host: str) -> None:
    with pytest.raises(ValueError, match="whoever opens it can start and delete trainings"):
        parse_auth(host, None)
    assert parse_auth(host, "ann:correct horse") and parse_auth("localhost", None) is None
    for unfit in ("ann", "ann:short", ":correct horse"):
        with pytest.raises(ValueError, match="at least 8 characters"):
            parse_auth(host, unfit)


@pytest.mark.parametrize(
    ("host", "known"),
    [
        *(("127.0.0.1:7860", True), ("localhost", True), ("[::1]:7860", True), ("[::1]", True), ("LOCALHOST:1", True)),
        *(("127.0.0.1:evil.example", False), ("127.0.0.1]", False), ("::1", False), ("[localhost]", False)),
        *(("evil.example", False), ("127.0.0.1.evil.example:7860", False), ("", False), (":7860", False)),
    ],
)
def test_a_host_is_known_by_its_whole_name(host: str, known: bool) -> None:
    guard = Guard(lambda *_: None, is_local=True, auth=None, keyed=None)  # type: ignore[arg-type,return-value]
    assert guard.is_known(host) is known
