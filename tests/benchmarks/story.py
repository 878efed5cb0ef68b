"""A newcomer's first ten minutes, walked through in a browser with a stop-watch: `python -m tests.benchmarks.story`.

The repository is cloned, README's first command installs and starts the playground in a new environment, and then a
person tries a line, looks at attention, trains, votes thirty times, aligns and chats. Each chapter prints its seconds;
with --pictures it also leaves the picture that README shows of it.
"""

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import URLError
from urllib.request import urlopen

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from core.preferences.rule_annotators import RULES, prefer
from playground.tour.stops import STOPS
from tests.conftest import free_port
from tests.ui.conftest import FLAGS, installed_chromium
from tests.ui.steps import (
    choose,
    choose_model,
    open_page,
    open_tab,
    start_training,
    unfold,
    wait_for_points,
    wait_for_state,
)
from tests.ui.test_label import press, ready

REPO = Path(__file__).parents[2]
LINE = "But soft, what light through yonder window breaks?"
VOTES, TASTE = 30, RULES["shorter"]  # the newcomer likes brevity
KEYS = {"left": "1", "right": "2", "tie": "3"}
SIZE = {"width": 1280, "height": 940}


class Story:
    """The chapters so far: each prints what it took, and may leave a picture."""

    def __init__(self, page: Page, pictures: Path | None):
        self.page, self.pictures, self.began = page, pictures, time.perf_counter()

    def chapter(self, what: str, picture: str = "") -> None:
        now = time.perf_counter()
        sys.stdout.write(f"| {what} | {now - self.began:.0f} s |\n")
        sys.stdout.flush()
        if picture and self.pictures:
            self.page.mouse.move(0, 0)  # no tip lies over it
            self.page.evaluate("scrollTo(0, 0)")  # what a tab is for stands in its first screen
            self.page.wait_for_timeout(1200)  # what is drawn comes to rest
            path = self.pictures / f"{picture}.png"
            self.page.screenshot(path=path)
            Image.open(path).convert("RGB").save(path, optimize=True)
        self.began = time.perf_counter()


@contextmanager
def started(directory: Path, port: int) -> Iterator[str]:
    """The playground, from a fresh clone by README's first command; yields its address when it answers."""
    subprocess.run(["git", "clone", "-q", str(REPO), str(directory)], check=True)
    readme = (directory / "README.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- start -->\n```bash\n(.+?)\n```", readme)
    assert found is not None
    command = f"{found.group(1)} --no-browser --port {port}"
    process = subprocess.Popen(["bash", "-c", f"exec bash -c '{command}'"], cwd=directory)
    url = f"http://127.0.0.1:{port}/"
    try:
        while not answers(url):
            if process.poll() is not None:
                raise RuntimeError(f"the command ended: {command}")
            time.sleep(0.5)
        yield url
    finally:
        subprocess.run(["pkill", "-f", f"playground --no-browser --port {port}"], check=False)
        process.wait()


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5):
            return True
    except (URLError, OSError):
        return False


# --- the chapters ---------------------------------------------------------------------------------------------


def tour(page: Page) -> None:
    page.get_by_role("button", name="Take the tour").click()
    card = page.get_by_role("dialog")
    for stop in STOPS:
        expect(card.get_by_role("heading")).to_have_text(stop.title)
        page.locator(f"{stop.target}.pg-tour-here").wait_for()
        page.wait_for_timeout(3000)  # it is read
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")  # the last stop has three ways on: this is none of them


def a_line(page: Page) -> None:
    open_tab(page, "Tokenizer")
    open_tab(page, "Tokens")
    page.locator("#tokenizer-text textarea").fill(LINE)
    expect(page.locator("#tokens")).not_to_contain_text("🌞")  # the example's
    page.locator("#tokens .pg-chip").nth(4).click()
    expect(page.locator("#tokens .pg-details")).to_contain_text("how")  # which lives nearby


def attention(page: Page) -> None:
    open_tab(page, "Attention")
    expect(page.locator("#attention-text textarea")).to_have_value(LINE)
    open_tab(page, "Head")  # the tour has left another part open
    page.locator(".pg-head").nth(14).click()
    page.locator(".pg-focus .hm image").wait_for()


def train(page: Page) -> None:
    start_training(page, "mine", max_steps=600)
    wait_for_points(page, "mine", 20)
    wait_for_state(page, "mine", "finished", seconds=900)


def vote(page: Page) -> None:
    open_tab(page, "Label")
    for _ in range(VOTES):
        ready(page)
        left, right = page.locator("#label-vote .pg-vote-text").all_inner_texts()
        press(page, KEYS[prefer(TASTE, left, right)])


def align(page: Page) -> None:
    open_tab(page, "Align")
    open_tab(page, "DPO")
    expect(page.locator("#dpo-plan")).to_contain_text(f"{VOTES} votes", timeout=60_000)
    page.locator("#dpo-start").click()
    wait_for_state(page, "dpo-1", "finished", seconds=900, view="#align-view .pg-run")


def chat(page: Page) -> None:
    choose_model(page, "bard-chat")
    open_tab(page, "Chat")
    unfold(page, "chat-manner")
    choose(page, "chat-beside", "dpo-1")
    for line in ("What news from the king?", "I cannot stay."):
        page.locator("#chat-text textarea").fill(line)
        page.locator("#chat-send").click()
        page.locator('.pg-said-model[data-state="finished"]').nth(1).wait_for()
        page.wait_for_function("!document.querySelector('.pg-said-model[data-state=writing]')")


CHAPTERS = (
    ("the tour, at a reader's pace", "", tour),
    ("a line, its tokens, and how one was built", "story-tokens", a_line),
    ("what 36 heads look at", "playground", attention),
    ("training *mine* for 600 steps", "story-train", train),
    (f"{VOTES} votes by keyboard", "story-vote", vote),
    ("aligning `bard-chat` with them (DPO)", "story-align", align),
    ("two models side by side", "story-chat", chat),
)


def main() -> None:
    parser = argparse.ArgumentParser("python -m tests.benchmarks.story", description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="leave README's pictures here, e.g. assets")
    args = parser.parse_args()
    port, began = free_port(), time.perf_counter()
    with (
        TemporaryDirectory() as directory,
        started(Path(directory) / "clone", port) as url,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=installed_chromium(), args=FLAGS)
        page = browser.new_page(viewport=SIZE)
        page.set_default_timeout(120_000)
        story = Story(page, args.pictures)
        story.began = began
        sys.stdout.write("| | |\n| --- | --- |\n")
        open_page(page, url)
        story.chapter("clone, install, start, page usable")
        for what, picture, act in CHAPTERS:
            act(page)
            story.chapter(what, picture)
        story.began = began
        story.chapter("in all")
        browser.close()


if __name__ == "__main__":
    main()
