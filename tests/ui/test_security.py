"""Hostile pages in the same browser, hostile texts on the page, and what leaves the machine: nothing."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
import torch
from playwright.sync_api import Browser, BrowserType, Page, expect

from core.tokenizer import Tokenizer
from core.training.run_directory import Run
from playground.__main__ import launch
from playground.services.services import Services
from tests.conftest import free_port
from tests.ui.conftest import is_outside
from tests.ui.runs import keep_small_models
from tests.ui.steps import STILL, every_part, open_page, open_tab, start_training, wait_for_state
from tests.ui.test_recovery import open_when_served, serve

MARK = "from-a-hostile-page"


@pytest.fixture
def workspace(workspace: Path, tokenizer: Tokenizer) -> Path:
    keep_small_models(workspace, tokenizer)
    return workspace


# Everything that a page can try on a server: to run a server function and a handler, to upload, to read. What was
# answered and could be read stands in the result; whether something has happened is asked on the server's side.
ATTACK = (Path(__file__).parent / "hostile_page.js").read_text(encoding="utf-8")


class Blank(BaseHTTPRequestHandler):
    """Another server on this machine, with a page in it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><body>hello</body>")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def other_port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Blank)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()


@pytest.fixture
def rebinding(browser_type: BrowserType, browser_type_launch_args: dict[str, Any]) -> Iterator[Browser]:
    """A browser to which evil.test is this machine, as a name server may tell it at any time."""
    flags = [*browser_type_launch_args["args"], "--host-resolver-rules=MAP evil.test 127.0.0.1"]
    browser = browser_type.launch(**browser_type_launch_args | {"args": flags})
    yield browser
    browser.close()


def targets(url: str) -> dict[str, Any]:
    """What an attacker who has read the source can know: the numbers of a server function and of a handler."""
    with urlopen(f"{url}config") as answer:
        config = json.load(answer)
    shelf = next(c["id"] for c in config["components"] if c["props"].get("elem_id") == "models-shelf")
    handler = next(d["id"] for d in config["dependencies"] if d["api_name"] == "train_vocabulary")
    return {"component": shelf, "handler": handler, "mark": MARK}


def uploaded(mark: str) -> bool:
    return any(path.name.startswith(mark) for path in Path(os.environ["GRADIO_TEMP_DIR"]).rglob("*.txt"))


@pytest.mark.slow
def test_a_hostile_page_can_do_nothing_and_the_page_itself_everything(
    rebinding: Browser, url: str, workspace: Path, other_port: int, tmp_path: Path
) -> None:
    port = url.rstrip("/").rsplit(":", 1)[1]
    lure = tmp_path / "lure.html"
    lure.write_text("<!doctype html><body>hello</body>")
    sandbox = "<iframe sandbox='allow-scripts allow-forms' srcdoc='<!doctype html><body>hello</body>'></iframe>"
    origins = {
        "another port": f"http://127.0.0.1:{other_port}/",
        "another name": f"http://localhost:{other_port}/",
        "a rebound name, another port": f"http://evil.test:{other_port}/",
        "a rebound name, this port": f"http://evil.test:{port}/",
        "a file": lure.as_uri(),
        "no origin": f"http://127.0.0.1:{other_port}/",
    }
    known = targets(url)
    for name, address in origins.items():
        frames = []
        for app in (url, f"http://localhost:{port}/", f"http://evil.test:{port}/"):
            page = rebinding.new_page()
            page.goto(address)
            frame = page.main_frame
            if name == "no origin":
                page.set_content(sandbox)
                frame = page.frames[1]
                assert frame.evaluate("origin") == "null"
            frame.evaluate(f"(known) => {{ window.read = ({ATTACK})(known) }}", {"app": app, **known})  # all at once
            frames.append(frame)
        for frame in frames:
            read = frame.evaluate("window.read")
            assert read == [], f"{name} could read {read}"
            frame.page.close()
    assert (workspace / "bard-tiny").exists() and not (workspace / MARK).exists() and not uploaded(MARK)

    page = rebinding.new_page()  # the same from the page itself: so it was not the attack that was at fault
    page.goto(url)
    read = page.evaluate(ATTACK, {"app": url, "patience": 15_000, **known})  # ms: all of it at once, and answered
    assert {"POST component_server/", "POST upload", "GET config"} <= set(read)
    assert not (workspace / "bard-tiny").exists() and uploaded(MARK)


# --- what can be read -----------------------------------------------------------------------------------------

SECRET = "the secret of another directory"


PATHS = """
gradio_api/file={secret}
gradio_api/file=/{secret}
gradio_api/file={workspace}/../secret.txt
gradio_api/file={workspace}/.trash/../../secret.txt
gradio_api/file={dotted}
gradio_api/file={encoded}
gradio_api/file={link}
gradio_api/file=file://{secret}
gradio_api/proxy=file://{secret}
static/../../../../../{secret}
assets/..%2f..%2f..%2f{secret}
file={secret}
gradio_api/file/{secret}
gradio_api/stream/x/x/../../{secret}
theme.css/../{secret}
custom_component/x/client/..%2f{secret}
"""


def test_no_route_reads_a_file_outside_the_workspace(url: str, workspace: Path, tmp_path: Path) -> None:
    secret, link = tmp_path / "secret.txt", workspace / "link.txt"
    secret.write_text(SECRET)
    link.symlink_to(secret)
    filled = PATHS.format(
        secret=secret,
        workspace=workspace,
        link=link,
        dotted=workspace / ".." / "secret.txt",
        encoded=str(secret).replace("/", "%2F"),
    ).split()
    for path in filled:
        found = subprocess.run(["curl", "--path-as-is", "-s", f"{url}{path}"], capture_output=True, timeout=30)
        assert found.returncode == 0 and SECRET not in found.stdout.decode(errors="replace"), path


# --- texts ----------------------------------------------------------------------------------------------------

TEXT = """<img src=x onerror="window.pwned=1"></textarea></script><script>window.pwned=2</script>"""
TEXT += "<svg onload=window.pwned=3> ${window.pwned=4} {{constructor.constructor('window.pwned=5')()}}"
TEXT += "\u202e\u200b\U0001f642"  # from right to left, no width, an emoji
PWNED = "window.pwned !== undefined || document.querySelector('img[src=x], svg[onload]') !== null"
BOXES = "textarea:visible, input[type=text]:visible:not([role=listbox]):not([readonly])"


@pytest.mark.slow
@pytest.mark.longest
def test_no_text_in_any_box_becomes_markup_or_script(page: Page, url: str, errors: list[str]) -> None:
    open_page(page, url)
    filled = 0
    for tab in page.locator("#tabs > .tab-wrapper button[role=tab]:visible").all_inner_texts():
        open_tab(page, tab)
        page.wait_for_timeout(1000)
        for part in every_part(page):
            for box in page.locator(BOXES).all():
                if box.is_visible() and box.is_editable():
                    box.fill(TEXT)
                    box.press("Enter")
                    filled += 1
            for action in page.locator("[role=tabpanel] :is(button.primary, .pg-primary):visible").all():
                if action.is_visible() and action.is_enabled():
                    action.click()
            page.wait_for_timeout(800)
            assert not page.evaluate(PWNED), f"in {tab}, {part}"
    assert filled > 20
    errors.clear()  # pictures of names that do not exist may be asked for; scripts that ran would have been seen


# --- what leaves the machine ----------------------------------------------------------------------------------

WATCH = """
import sys
def watch(event, args):
    if event == "socket.connect":
        address = args[1][0] if isinstance(args[1], tuple) else "local"
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        address = args[0]
    else:
        return
    if isinstance(address, bytes):
        address = address.decode()
    if address not in (None, "", "local", "localhost", "127.0.0.1", "::1", "0.0.0.0"):
        with open({log!r}, "a") as file:
            file.write(f"{{event}} {{address}}\\n")
sys.addaudithook(watch)
"""


@pytest.mark.slow
def test_neither_the_process_nor_the_page_nor_a_training_talks_to_anyone_else(
    page: Page,
    port: int,
    workspace: Path,
    short_corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    errors: list[str],
) -> None:
    log, watcher = tmp_path / "outside.log", tmp_path / "watcher"
    watcher.mkdir()
    (watcher / "sitecustomize.py").write_text(WATCH.format(log=str(log)))
    monkeypatch.setenv("PYTHONPATH", str(watcher))
    told = [sys.executable, "-c", "import socket; socket.getaddrinfo('watched.invalid', 1)"]
    subprocess.run(told, check=False, capture_output=True)
    assert "watched.invalid" in log.read_text(), "the watcher watches"
    log.unlink()

    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    server = serve(port, workspace)
    try:
        open_when_served(page, f"http://127.0.0.1:{port}/")
        for tab in page.locator("#tabs > .tab-wrapper button[role=tab]").all_inner_texts():
            open_tab(page, tab)
            page.evaluate(STILL, 500)
        start_training(page, "quiet", 50, short_corpus)
        wait_for_state(page, "quiet", "finished")
        page.goto("about:blank")
        errors.clear()
    finally:
        server.kill()
        server.wait()
    assert Run(workspace / "quiet").status().state == "finished"
    assert not log.exists(), log.read_text()
    assert asked and not [address for address in asked if is_outside(address) and not address.startswith("about:")]


# --- with a password ------------------------------------------------------------------------------------------


def test_with_a_password_the_page_works_for_who_knows_it_and_for_nobody_else(browser: Browser, workspace: Path) -> None:
    port = free_port()
    services = Services.open(workspace, torch.device("cpu"))
    blocks = launch(services, "0.0.0.0", port, browser=False, wait=False, auth="ann:correct horse")
    url = f"http://127.0.0.1:{port}/"
    with pytest.raises(HTTPError, match="401"):
        urlopen(url)
    page = browser.new_page(http_credentials={"username": "ann", "password": "correct horse"})
    open_page(page, url)
    page.locator("#tokenizer-text textarea").fill("Known")
    expect(page.locator("#tokens .pg-of-text")).to_contain_text("5")
    open_tab(page, "Chat")
    page.locator("#chat-text textarea").fill("Who's there?")
    page.locator("#chat-send").click()
    expect(page.locator(".pg-said-model").first).to_contain_text("tokens/s", timeout=30_000)
    page.close()
    blocks.close()
