"""A real browser on the real page. A request to anywhere but this machine, or a script error, fails the test."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import BrowserContext, BrowserType, ConsoleMessage, Error, Page, expect, sync_playwright

from core.datasets import shakespeare
from core.training.run_directory import runs
from playground.__main__ import launch
from playground.services.background_task import stop_threads
from playground.services.services import Services
from tests.conftest import lasting_port

CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"
SHIPPED = ("bard-base", "bard-tiny", "bard-sft", "bard-chat")
CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = ("background-networking", "component-update", "gpu", "quic", "sync")
# How Gradio's client tells of requests that were under way when the page was reloaded.
INTERRUPTED = ("AbortError: signal is aborted", "Unexpected error Connection errored out")
WINDOW = {"width": 1280, "height": 900}
expect.set_options(timeout=60_000)  # ms; a busy machine is no fault of the page
FLAGS = ["--no-sandbox", "--no-first-run", *(f"--disable-{what}" for what in QUIET)]
# What pages keep in a browser, beside what it has fetched and compiled. CDP, Storage.StorageType
KEPT = "local_storage,indexeddb,cache_storage,service_workers,file_systems"


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """The system's Chromium; where there is none, the one that Playwright fetches."""
    installed = installed_chromium()
    if installed is None:
        with sync_playwright() as playwright:
            there = Path(playwright.chromium.executable_path).exists()
        if not there:
            subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)
    return {"executable_path": installed, "args": FLAGS}


def installed_chromium() -> str | None:
    return next(filter(None, map(shutil.which, CHROMIUM)), None)


@pytest.fixture(scope="session")
def kept_browser(
    browser_type: BrowserType, browser_type_launch_args: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BrowserContext]:
    """A browser that keeps on disk what it has fetched and compiled: nearly half of the work of opening the page."""
    profile = tmp_path_factory.mktemp("profile")
    context = browser_type.launch_persistent_context(profile, viewport=WINDOW, **browser_type_launch_args)
    yield context
    context.close()


@pytest.fixture(scope="session")
def port() -> int:
    """Of the servers, one after the other: what a browser has compiled belongs to an address."""
    return lasting_port()


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Path]:
    """A checkpoints directory with the shipped models in it; a training that a test leaves behind ends with it."""
    for name in SHIPPED:
        shutil.copytree(CHECKPOINTS / name, tmp_path / "checkpoints" / name)
    yield tmp_path / "checkpoints"
    for left in [run.status() for run in runs(tmp_path / "checkpoints")]:
        if left.active and left.pid not in (0, os.getpid()):
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(left.pid, signal.SIGKILL)


@pytest.fixture
def url(workspace: Path, port: int) -> Iterator[str]:
    """The playground, served from this process."""
    blocks = launch(Services.open(workspace, torch.device("cpu")), "127.0.0.1", port, browser=False, wait=False)
    yield f"http://127.0.0.1:{port}/"
    blocks.close()
    stop_threads()  # as at the end of the process, so that none works on while the next test is timed


@pytest.fixture
def short_corpus(tmp_path: Path) -> Path:
    """Enough text for the vocabulary of a small model, which is learned from it in a moment."""
    path = tmp_path / "short.txt"
    path.write_text(shakespeare.load("shakespeare-1mb").train[0][:60_000], encoding="utf-8")
    return path


@pytest.fixture
def errors() -> list[str]:
    """What the page did wrong so far; a test that expects some (a server that is killed) clears it."""
    return []


@pytest.fixture
def page(request: pytest.FixtureRequest, kept_browser: BrowserContext, port: int, errors: list[str]) -> Iterator[Page]:
    """A window of somebody who has never been here."""
    if "url" in request.fixturenames:
        request.getfixturevalue("url")  # made before the page, the server outlives it
    page = kept_browser.new_page()
    page.set_default_timeout(60_000)
    page.on("pageerror", lambda error: errors.append(f"script error: {error}"))
    page.on("console", lambda message: errors.append(message.text) if is_error(message) else None)
    page.on("request", lambda request: errors.append(f"outside: {request.url}") if is_outside(request.url) else None)
    yield page
    seen = list(errors)  # what closing interrupts is nobody's mistake
    forget(kept_browser, f"http://127.0.0.1:{port}")
    assert not seen, "\n".join(seen)


def forget(browser: BrowserContext, origin: str) -> None:
    """Close every window but the one that a browser begins with, and clear what pages have kept."""
    first, *others = browser.pages
    for page in others:
        page.close()
    browser.clear_cookies()
    browser.clear_permissions()
    devtools = browser.new_cdp_session(first)
    devtools.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": KEPT})
    devtools.detach()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[Any]:
    """A failed test tells what stood on the page, and what its trainings said last."""
    report = yield
    there = getattr(item, "funcargs", {})
    if report.when == "call" and report.failed and "page" in there:
        try:
            report.sections.append(("The page", there["page"].inner_text("body", timeout=5_000)))
        except Error as error:  # it may have been closed, or be the very thing that hangs
            report.sections.append(("The page", str(error)))
        found = sorted(there["workspace"].glob("*/status.json")) if "workspace" in there else []
        for path in (path for path in found if path.parent.name not in SHIPPED):
            said = [path.read_text(), *(log.read_text()[-1000:] for log in path.parent.glob("*.txt"))]
            report.sections.append((path.parent.name, "\n".join(said)))
    return report


def is_error(message: ConsoleMessage) -> bool:
    return message.type == "error" and not message.text.startswith(INTERRUPTED)


def is_outside(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "data:", "blob:", "file:"))
