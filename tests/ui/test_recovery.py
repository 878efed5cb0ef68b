"""Processes die; trainings and what is known about them do not."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Page, expect

from core.stages.registry import train
from core.training.log_lines import read_lines
from core.training.run_directory import Run
from tests.ui.steps import open_page, open_tab, start_training, wait_for_points, wait_for_state

STEPS = 60


def serve(port: int, workspace: Path) -> subprocess.Popen:
    options = ["--port", str(port), "--no-browser", "--checkpoints", str(workspace), "--device", "cpu"]
    return subprocess.Popen([sys.executable, "-m", "playground", *options])


def open_when_served(page: Page, url: str) -> None:
    wait_until_served(url)
    open_page(page, url)


def wait_until_served(url: str, seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not is_served(url):
        assert time.monotonic() < deadline, f"{url} was not served"
        time.sleep(0.2)


def is_served(url: str) -> bool:
    try:
        with urlopen(url):
            return True
    except URLError:
        return False


def takes(run: Run, steps: int) -> None:
    """Wait until the training has taken so many more steps."""
    wanted, deadline = len(curve(run)) + steps, time.monotonic() + 60
    while len(curve(run)) < wanted:
        assert run.status().active and time.monotonic() < deadline
        time.sleep(0.1)


def curve(run: Run) -> list[tuple]:
    lines, _ = read_lines(run.metrics)
    return [tuple(line.get(name) for name in ("step", "loss/train", "loss/val", "grad_norm", "lr")) for line in lines]


@pytest.mark.fault(
    "the playground is killed, or the page closed",
    "trainings go on, and are found again",
)
@pytest.mark.slow
@pytest.mark.longest
def test_a_training_survives_the_page_and_resumes_exactly_after_a_kill(
    page: Page, port: int, workspace: Path, short_corpus: Path, errors: list[str]
) -> None:
    url = f"http://127.0.0.1:{port}/"
    server = serve(port, workspace)
    try:
        open_when_served(page, url)
        start_training(page, "victim", STEPS, short_corpus)
        run = Run(workspace / "victim")
        wait_for_points(page, "victim", 10)
        page.locator("#train-pause").click()
        wait_for_state(page, "victim", "paused")

        server.kill()  # the page's process, not the training
        server.wait()
        expect(page.locator(".pg-state")).to_contain_text("The playground does not answer")
        run.request("resume")
        takes(run, 5)  # there is nobody but the training and its files
        run.request("pause")
        errors.clear()  # the browser rightly complained about the dead server

        server = serve(port, workspace)
        open_when_served(page, url)
        errors.clear()
        open_tab(page, "Train")
        wait_for_state(page, "victim", "paused")
        page.locator("#train-resume").click()
        takes(run, 5)  # beyond what was saved when it was paused
        os.kill(run.status().pid, signal.SIGKILL)
        wait_for_state(page, "victim", "interrupted")
        expect(page.locator(".pg-state")).to_contain_text("its process has ended; it can be resumed")
        page.locator("#train-resume").click()
        wait_for_state(page, "victim", "running")
        wait_for_state(page, "victim", "finished", seconds=240)
        wait_for_points(page, "victim", STEPS)
        page.goto("about:blank")  # before its server goes
        errors.clear()  # what the page was asking for is cut off
    finally:
        server.kill()
        server.wait()

    stage, config = run.read()
    untouched = Run.create(workspace / "untouched", stage, config)
    assert train(untouched).state == "finished"
    assert curve(run) == curve(untouched)
