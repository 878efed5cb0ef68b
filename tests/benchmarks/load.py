"""Many people at once: `python -m tests.benchmarks.load`.

Browser sessions move over all tabs, type, chat and vote while a training runs. Printed are the errors that any of them
met, the server's memory as it goes, what a step of the training takes with them and without, and who uses the cores.
Half of these are for the training and the server alone, as if the browsers were on other machines.
"""

import argparse
import itertools
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import ConsoleMessage, Page, sync_playwright
from playwright.sync_api import Error as BrowserError

from core.stages.pretrain import PretrainConfig
from core.training.log_lines import read_lines
from core.training.run_directory import Run
from playground.app import TABS
from playground.services.training_jobs import Jobs
from tests.conftest import free_port
from tests.ui.conftest import CHECKPOINTS, FLAGS, installed_chromium
from tests.ui.steps import open_page, open_tab
from tests.ui.test_recovery import serve

ALONE = 60.0  # seconds of training before anybody comes


class Meter:
    """How many cores each of some processes uses, and all others together, since the last look (Linux)."""

    def __init__(self, **processes: subprocess.Popen):
        self.processes, self.tick = processes, os.sysconf("SC_CLK_TCK")
        self.at, self.seen = time.time(), self.seconds()

    def seconds(self) -> dict[str, float]:
        """Of processor time, so far."""
        found = {}
        for name, process in self.processes.items():
            fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            found[name] = (int(fields[11]) + int(fields[12])) / self.tick
        user, nice, system = map(int, Path("/proc/stat").read_text(encoding="utf-8").split()[1:4])
        return found | {"others": (user + nice + system) / self.tick - sum(found.values())}

    def look(self) -> str:
        before, self.seen = self.seen, self.seconds()
        passed, self.at = time.time() - self.at, time.time()
        return ", ".join(f"{name} {(now - before[name]) / passed:.2f}" for name, now in self.seen.items())

    def memory(self, name: str) -> float:
        """Of a process, resident, in MB."""
        status = Path(f"/proc/{self.processes[name].pid}/status").read_text(encoding="utf-8")
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


def step_seconds(run: Run, since: float, until: float) -> float:
    """The median step of the training between two moments."""
    times = [line["time"] for line in read_lines(run.metrics)[0] if since <= line["time"] <= until]
    return statistics.median(b - a for a, b in itertools.pairwise(times))


def act(page: Page, turn: int) -> None:
    """What one person does in a moment: go to a tab, and do there what one does."""
    tab = list(TABS)[turn % len(TABS)]
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
    parser.add_argument("--minutes", type=int, default=5)
    args = parser.parse_args()
    with TemporaryDirectory() as directory:
        workspace = Path(directory) / "checkpoints"
        for name in ("bard-base", "bard-tiny", "bard-chat"):
            shutil.copytree(CHECKPOINTS / name, workspace / name)
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[len(cores) // 2 :])
        config = PretrainConfig.preset("nano", max_steps=100_000, device="cpu", save_interval=1000, snapshots=0)
        jobs = Jobs(workspace)
        run = jobs.start("learner", "pretrain", config)
        while run.status().step < 5:
            time.sleep(0.5)
        began = time.time()
        time.sleep(ALONE)
        sys.stdout.write(f"alone: {1000 * step_seconds(run, began, time.time()):.0f} ms a step\n")
        port, trainer = free_port(), jobs.spawned[run.name].process
        server = serve(port, workspace)
        os.sched_setaffinity(0, cores[: len(cores) // 2])
        try:
            crowd(args, f"http://127.0.0.1:{port}/", run, Meter(training=trainer, server=server))
        finally:
            server.kill()
            run.request("stop")
            while run.status().active:
                time.sleep(0.5)


def crowd(args: argparse.Namespace, url: str, run: Run, meter: Meter) -> None:
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed_chromium(), args=FLAGS)
        pages, turns = [opened(browser, url, errors) for _ in range(args.sessions)], itertools.count()
        meter.look()
        for _ in range(args.minutes):
            began = time.time()
            actions = act_for(60, pages, turns, errors)
            step = 1000 * step_seconds(run, began, time.time())
            sys.stdout.write(
                f"{actions} actions, {len(errors)} errors: {step:.0f} ms a step, "
                f"server {meter.memory('server'):.0f} MB; cores: {meter.look()}\n"
            )
            sys.stdout.flush()
        browser.close()
    for error in dict.fromkeys(errors):
        sys.stdout.write(f"error: {error}\n")


def act_for(seconds: float, pages: list[Page], turns: Iterator[int], errors: list[str]) -> int:
    """Let one person after the other do something; returns how often somebody did."""
    actions, until = 0, time.time() + seconds
    while time.time() < until:
        turn = next(turns)
        try:
            act(pages[turn % len(pages)], turn // len(pages) + turn % len(pages))
        except BrowserError as error:
            errors.append(str(error).splitlines()[0])
        actions += 1
    return actions


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


if __name__ == "__main__":
    main()
