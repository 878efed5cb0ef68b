"""Many people at once: `python -m tests.benchmarks.load`.

Browser sessions move over all tabs, type, chat and vote while a training runs. Printed are the errors that any of them
met, the server's memory as it goes, and what a step of the training takes with them and without.
"""

import argparse
import itertools
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import ConsoleMessage, Page, sync_playwright
from playwright.sync_api import Error as BrowserError

from core.stages.pretrain import PretrainConfig
from core.train.run import Run, read_lines
from playground.jobs import Jobs
from tests.conftest import free_port
from tests.ui.conftest import FLAGS, SHIPPED, installed_chromium
from tests.ui.steps import open_page, open_tab
from tests.ui.test_recovery import serve

TABS = ("Tokenizer", "Attention", "Train", "Chat", "Label", "Align", "Models")
ALONE = 60.0  # seconds of training before anybody comes


def memory(process: subprocess.Popen) -> float:
    """Of the server, resident, in MB."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def step_seconds(run: Run, since: float, until: float) -> float:
    """The median step of the training between two moments."""
    times = [line["time"] for line in read_lines(run.metrics)[0] if since <= line["time"] <= until]
    return statistics.median(b - a for a, b in itertools.pairwise(times))


def act(page: Page, turn: int) -> None:
    """What one person does in a moment: go to a tab, and do there what one does."""
    tab = TABS[turn % len(TABS)]
    open_tab(page, tab)
    if tab in ("Tokenizer", "Attention"):
        page.locator(f"#{tab.lower()}-text textarea").fill(
            f"O, that this too too solid flesh would melt, {turn} times!"
        )
    elif tab == "Chat":
        page.locator("#chat-text textarea").fill(f"What news, {turn}?")
        page.locator("#chat-send").click()
    elif tab == "Label":
        page.keyboard.press("1")


def main() -> None:
    parser = argparse.ArgumentParser("python -m tests.benchmarks.load", description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=5.0)
    args = parser.parse_args()
    with TemporaryDirectory() as directory, sync_playwright() as playwright:
        workspace = Path(directory) / "checkpoints"
        for name in ("bard-base", "bard-tiny", "bard-chat"):
            shutil.copytree(SHIPPED.with_name(name), workspace / name)
        config = PretrainConfig.preset("nano", max_steps=100_000, device="cpu", save_interval=1000, snapshots=0)
        run = Jobs(workspace).start("learner", "pretrain", config)
        while run.status().step < 5:
            time.sleep(0.5)
        alone = time.time()
        time.sleep(ALONE)
        port, errors = free_port(), []
        server = serve(port, workspace)
        browser = playwright.chromium.launch(executable_path=installed_chromium(), args=FLAGS)
        try:
            pages = [opened(browser, f"http://127.0.0.1:{port}/", errors) for _ in range(args.sessions)]
            say("alone", alone, alone + ALONE, run, server, errors)
            began = time.time()
            for turn in itertools.count():
                if time.time() > began + 60 * args.minutes:
                    break
                page = pages[turn % len(pages)]
                try:
                    act(page, turn // len(pages) + turn % len(pages))
                except BrowserError as error:
                    errors.append(str(error).splitlines()[0])
                if turn % (3 * len(pages)) == 0:
                    say(
                        f"{args.sessions} sessions, action {turn}",
                        max(began, time.time() - 60),
                        time.time(),
                        run,
                        server,
                        errors,
                    )
            say("all of it", began, time.time(), run, server, errors)
            for error in dict.fromkeys(errors):
                sys.stdout.write(f"error: {error}\n")
        finally:
            browser.close()
            server.kill()
            run.request("stop")
            while run.status().active:
                time.sleep(0.5)


def opened(browser: Any, url: str, errors: list[str]) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(60_000)
    for attempt in range(60):
        try:
            page.goto(url)
            break
        except BrowserError:
            if attempt == 59:
                raise
            time.sleep(1)
    page.on("pageerror", lambda error: errors.append(f"script: {error}"))
    page.on("console", lambda message: note(message, errors))
    open_page(page, url)
    return page


def note(message: ConsoleMessage, errors: list[str]) -> None:
    if message.type == "error":
        errors.append(message.text)


def say(what: str, since: float, until: float, run: Run, server: subprocess.Popen, errors: list[str]) -> None:
    step = 1000 * step_seconds(run, since, until)
    sys.stdout.write(f"{what}: {step:.0f} ms a step, server {memory(server):.0f} MB, {len(errors)} errors\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
