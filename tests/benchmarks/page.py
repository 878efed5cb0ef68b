"""The page in a real browser, with a stop-watch: `python -m tests.benchmarks.page`.

Every figure is a median over several tries, from the click or key in the browser to the frame in which the result is
drawn. Nothing is compared: these are budgets, which stand beside the figures.
"""

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from playwright.sync_api import Page, Request, sync_playwright

from core import checkpoint
from core.checkpoint import Card
from core.datasets.preference_files import read_preferences
from core.model import GPT, GPTConfig
from core.preferences.vote_store import Votes
from core.stages.pretrain import PretrainConfig
from core.tokenizer import Tokenizer
from core.training.log_lines import read_lines
from core.training.run_directory import Run
from playground.__main__ import launch
from playground.services.services import Services
from playground.tabs.label.table import EXAMPLE
from playground.ui.scripts import ASSETS
from tests.conftest import free_port
from tests.ui.conftest import CHECKPOINTS, FLAGS, installed_chromium
from tests.ui.runs import add_steps, write_run
from tests.ui.steps import open_page, open_tab, wait_for_points, wait_for_state
from tests.ui.test_recovery import open_when_served, serve

TRIES = 15

# From `act` to the frame after `attribute` of `selector` has changed, in milliseconds.
UNTIL_DRAWN = """([act, selector, attribute, kind]) => new Promise((done) => {
  const root = document.querySelector(selector);
  const began = performance.now();
  new MutationObserver((_, observer) => {
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
  }).observe(root, kind === "children" ? { childList: true, subtree: true } : { attributeFilter: [attribute] });
  new Function(act)();
})"""


@contextmanager
def served(workspace: Path) -> Iterator[Page]:
    """A browser on the playground over the models in `workspace`."""
    port = free_port()
    blocks = launch(Services.open(workspace, torch.device("cpu")), "127.0.0.1", port, browser=False, wait=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed_chromium(), args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(120_000)
        open_page(page, f"http://127.0.0.1:{port}/")
        yield page
        browser.close()
    blocks.close()


def until_drawn(page: Page, act: str, selector: str, attribute: str = "", kind: str = "attribute") -> float:
    return page.evaluate(UNTIL_DRAWN, [act, selector, attribute, kind])


def median(measure: Callable[[int], float]) -> float:
    """Of TRIES measurements; the first one, which warms up, is not counted."""
    return statistics.median([measure(i) for i in range(TRIES + 1)][1:])


def row(name: str, figure: str, budget: str) -> None:
    sys.stdout.write(f"| {name} | {figure} | {budget} |\n")
    sys.stdout.flush()


# --- tokenizer ------------------------------------------------------------------------------------------------

LINE = "But soft, what light through yonder window breaks? It is the east, and Juliet is the sun.\n"

# Put a text into the box as typing does, and measure until its chips are drawn; also the longest pause of the page.
TYPE = """async (text) => {
  const [box, panel] = [document.querySelector("#tokenizer-text textarea"), document.querySelector(".pg-tokens")];
  let [last, longest, going] = [performance.now(), 0, true];
  const watch = () => {
    const now = performance.now();
    [last, longest] = [now, Math.max(longest, now - last)];
    if (going) setTimeout(watch, 0);
  };
  watch();
  const began = performance.now();
  Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(box, text);
  box.dispatchEvent(new InputEvent("input", { bubbles: true }));
  while (panel.dataset.text !== String(text.length)) await new Promise((done) => setTimeout(done, 1));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  going = false;
  watch();
  return [performance.now() - began, longest];
}"""

# Move the slider as fast as the page follows: a position counts when it has been drawn.
SCRUB = """async () => {
  const [range, panel] = [document.querySelector(".pg-range"), document.querySelector(".pg-scrubber")];
  const began = performance.now();
  let drawn = 0;
  for (let at = 0; at <= Number(range.max); at += 2, drawn++) {
    range.value = at;
    range.dispatchEvent(new Event("input"));
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  }
  return (1000 * drawn) / (performance.now() - began);
}"""


def tokenizer(page: Page) -> None:
    page.wait_for_timeout(2000)  # the first look counts Shakespeare's tokens
    text = (LINE * 23)[:2000]
    keystroke = median(lambda i: page.evaluate(TYPE, text + "x" * (i + 1))[0])
    row("key to chips, 2,000 characters, two vocabularies", f"{keystroke:.0f} ms", "150 ms")
    long = [page.evaluate(TYPE, (LINE * 2500)[: 200_000 + i]) for i in range(TRIES)]
    row("200 kB to figures and the first page of chips", f"{statistics.median(took for took, _ in long):.0f} ms", "-")
    row("longest pause of the page meanwhile", f"{statistics.median(pause for _, pause in long):.0f} ms", "-")
    page.evaluate(TYPE, LINE * 6)
    open_tab(page, "Merge scrubber")
    page.locator(".pg-merge-curve .xtitle").wait_for()
    positions = median(lambda _: page.evaluate(SCRUB))
    row(f"merge scrubber, {len(LINE * 6)} characters", f"{positions:.0f} positions/s", "10 positions/s")


# --- attention ------------------------------------------------------------------------------------------------


def type_into(selector: str, text: str) -> str:
    """JavaScript that types `text` into a text box at once."""
    return (
        f"const box = document.querySelector({selector!r}); box.value = {text!r};"
        "box.dispatchEvent(new Event('input', { bubbles: true }));"
    )


def attention(page: Page, vocabulary: Tokenizer, title: str) -> None:
    open_tab(page, "Attention")
    page.locator(".pg-head").first.wait_for()
    ids = vocabulary.encode("All the world's a stage, and all the men and women merely players. " * 8)[:63]
    # Each try reads another first token, so that nothing is answered from memory.
    texts = [vocabulary.decode([*vocabulary.encode("ABCDEFGHIJKLMNOP"[i]), *ids]) for i in range(TRIES + 1)]
    forward: list[float] = []

    def draw(i: int) -> float:
        took = until_drawn(page, type_into("#attention-text textarea", texts[i]), ".pg-attention", "data-drawn")
        note = page.locator(".pg-attention").inner_text()
        told = re.search(r"(\d+) heads, (\d+) tokens; forward pass (\d+) ms", note)
        assert told is not None and told.group(2) == "64", note
        forward.append(float(told.group(3)))
        page.wait_for_timeout(400)  # the large picture, too, is drawn
        return took - forward[-1]

    grid = median(draw)
    heads = page.locator("#attention-heads .pg-head").count()
    row(f"{title}: {heads} heads at T = 64, key to drawn, forward pass of {statistics.median(forward):.0f} ms excluded",
        f"{grid:.0f} ms", "300 ms")  # fmt: skip

    def focus(i: int) -> float:
        act = f"document.querySelectorAll('#attention-heads .pg-head')[{i + 1}].click()"
        took = until_drawn(page, act, ".pg-words", kind="children")
        page.wait_for_timeout(200)
        return took

    row(f"{title}: click on a head to its large picture", f"{median(focus):.0f} ms", "-")

    open_tab(page, "Why √d_k")
    page.locator(".pg-scaled dd").first.wait_for()
    page.wait_for_timeout(1500)

    def slide(i: int) -> float:
        value = f"const s = document.querySelector('#scaling-power'); s.value = {0.05 * i};"
        act = value + "s.dispatchEvent(new Event('input'));"
        return until_drawn(page, act, ".pg-said-scale", kind="children")

    row(f"{title}: a move of the √d_k slider, one forward pass included", f"{median(slide):.0f} ms", "-")


def long_text(page: Page, vocabulary: Tokenizer, title: str) -> None:
    """One head on as many tokens as GPT-2's context holds, from a click on it, after the forward pass."""
    open_tab(page, "Attention")
    page.locator(".pg-head").first.wait_for()
    open_tab(page, "Long text")
    ids = vocabulary.encode("All the world's a stage, and all the men and women players. " * 90)[:1024]
    page.evaluate(type_into("#attention-text textarea", vocabulary.decode(ids)))
    page.locator(".pg-long[data-drawn$=',1024']").wait_for()

    def focus(i: int) -> float:
        act = f"document.querySelectorAll('#attention-heads .pg-head')[{7 * i + 1}].click()"
        return until_drawn(page, act, ".pg-long", "data-drawn")

    row(f"{title}: one head at T = 1,024, click to drawn, after the forward pass", f"{median(focus):.0f} ms", "300 ms")


def large_model(workspace: Path) -> Tokenizer:
    """Save the 124M configuration with random weights and GPT-2's vocabulary, the only model in `workspace`."""
    vocabulary = Tokenizer.gpt2()
    torch.manual_seed(0)
    checkpoint.save(workspace / "gpt2-random", GPT(GPTConfig.preset("gpt2")), vocabulary, Card(), torch.float16)
    return vocabulary


# --- train ----------------------------------------------------------------------------------------------------

# Choose a run in the table, which is open, and measure until its last step is drawn.
CHOOSE = """async ([run, points]) => {
  const began = performance.now();
  document.querySelector(`#train-run [data-run="${run}"]`).click();
  const { dataset } = document.querySelector(".pg-run");
  while (dataset.run !== run || dataset.points !== points) await new Promise((done) => setTimeout(done, 1));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  return performance.now() - began;
}"""
SECONDS = 20


def choose_run(page: Page, run: str, steps: int) -> float:
    page.locator("#train-run summary").click()
    page.locator(f'#train-run [data-run="{run}"]').wait_for()
    return page.evaluate(CHOOSE, [run, str(steps)])


def train(page: Page, workspace: Path) -> None:
    write_run(workspace, "short", 100)
    write_run(workspace, "long", 10_000)
    page.reload()
    open_tab(page, "Train")
    page.locator(".pg-curves .xtitle").first.wait_for()

    def open_long(_: int) -> float:
        choose_run(page, "short", 100)
        return choose_run(page, "long", 10_000)

    row("a run of 10,000 steps, choice to drawn", f"{median(open_long):.0f} ms", "500 ms")
    for speed in (15, 100):
        row(
            f"a live run, {speed} steps a second, headers included",
            f"{polled(page, workspace, speed):.1f} kB/s",
            "5 kB/s",
        )


def polled(page: Page, workspace: Path, speed: int) -> float:
    """Kilobytes a second, both ways, that the live view of a run costs while `speed` steps a second are logged."""
    run = write_run(workspace, f"live-{speed}", 10_000, of=1_000_000, state="running")
    page.reload()
    open_tab(page, "Train")
    requests: list[Request] = []

    def keep(request: Request) -> None:
        requests.append(request)

    with run.hold("cpu"):
        choose_run(page, run.name, 10_000)
        page.wait_for_timeout(2000)  # the first look has been told of
        page.on("requestfinished", keep)
        ticks = SECONDS * 5
        for tick in range(ticks):
            first = 10_001 + tick * speed // 5
            add_steps(run, first, 10_000 + (tick + 1) * speed // 5, speed)
            page.wait_for_timeout(200)
        page.remove_listener("requestfinished", keep)
    asked = [request.sizes() for request in requests if "follow_run" in (request.post_data or "")]
    assert len(asked) > SECONDS / 2, "the page has not asked for what is new"
    return sum(sum(size.values()) for size in asked) / SECONDS / 1000


# --- a training that is watched -------------------------------------------------------------------------------

PAIRS = 3  # of trainings, one without and one with the page open


def watched(page: Page, workspace: Path) -> None:
    url = page.url
    open_tab(page, "Train")
    page.locator("#train-name input").fill("first")
    page.locator("#setting-max_steps input").fill("100")
    began = time.perf_counter()
    page.locator("#train-start").click()
    wait_for_points(page, "first", 1)
    row("`nano`: Start to the first point", f"{time.perf_counter() - began:.1f} s", "8 s")
    wait_for_state(page, "first", "finished")
    speeds: dict[bool, list[float]] = {False: [], True: []}
    for pair in range(PAIRS):
        for seen in (False, True):
            run = Run.create(workspace / f"{pair}-{seen}", "pretrain", PretrainConfig.preset("nano").to_dict())
            page.goto("about:blank")
            process = subprocess.Popen(
                [sys.executable, "-m", "core", "run", str(run.directory)], stdout=subprocess.DEVNULL
            )
            if seen:
                open_page(page, url)
                open_tab(page, "Train")
                wait_for_points(page, run.name, 1)
            process.wait()
            lines = read_lines(run.metrics)[0]
            speeds[seen].append(statistics.median(line["tokens_per_second"] for line in lines[300:]))
    slower = statistics.median(1 - seen / alone for alone, seen in zip(speeds[False], speeds[True], strict=True))
    row(f"`nano`, slower with the page open, median of {PAIRS} pairs", f"{100 * slower:.1f} %", "2 %")


# --- votes ----------------------------------------------------------------------------------------------------

# Press a key that votes, and measure until the next pair is drawn.
VOTE = """async () => {
  const { dataset } = document.querySelector("#label-vote .pg-voting");
  const { pair } = dataset;
  const began = performance.now();
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "1", bubbles: true }));
  while (dataset.pair === pair || dataset.state !== "ready") await new Promise((done) => setTimeout(done, 1));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  return performance.now() - began;
}"""
EARLIER = 300  # votes to which the taste is fitted


def label(page: Page, votes: Votes) -> None:
    """Votes at the pace of a quick reader, by somebody who has voted before."""
    example = read_preferences(ASSETS / EXAMPLE).pairs
    for i in range(-(-EARLIER // len(example))):
        votes.import_preferences([replace(pair, prompt=f"{pair.prompt} {i}") for pair in example], "me", "label")
    open_tab(page, "Label")
    page.locator("#label-vote .pg-voting[data-state=ready]").wait_for()
    page.wait_for_timeout(20_000)  # the earlier votes are described, and pairs are written ahead

    def vote(_: int) -> float:
        page.wait_for_timeout(1500)
        return page.evaluate(VOTE)

    took = [vote(i) for i in range(2 * TRIES)][1:]
    row(f"key to the next pair, {EARLIER} earlier votes", f"{statistics.median(took):.0f} ms", "200 ms")
    row("the slowest of them", f"{max(took):.0f} ms", "-")


# --- chat -----------------------------------------------------------------------------------------------------

# From `act` to the frame after `holds` first holds of the page, in milliseconds.
UNTIL = """async ([act, holds]) => {
  const began = performance.now();
  new Function(act)();
  while (!new Function(`return ${holds}`)()) await new Promise((done) => setTimeout(done, 2));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  return performance.now() - began;
}"""
LAST = "[...document.querySelectorAll('.pg-said-model')].at(-1)"


def chat(page: Page) -> None:
    open_tab(page, "Chat")
    page.locator("#chat-max_new_tokens input").fill("30")

    def first_token(i: int) -> float:
        page.evaluate("document.querySelector('#chat-clear').click()")  # it is disabled where nothing was said
        page.locator("#chat-text textarea").fill(f"What say you, my lord, {i}?")
        page.wait_for_timeout(700)
        begun = f"{LAST}?.textContent.includes('tokens/s')"
        took = page.evaluate(UNTIL, ["document.querySelector('#chat-send').click()", begun])
        page.wait_for_function(f"{LAST}.dataset.state === 'finished'")
        return took

    def inside(i: int) -> float:
        chip = f"document.querySelectorAll('.pg-said-model .pg-chip')[{i % 4 + 1}]"
        page.evaluate("document.querySelector('.pg-inside').replaceChildren()")
        return page.evaluate(UNTIL, [f"{chip}.click()", "document.querySelector('.pg-inside h3')"])

    row("*Send* to the first token", f"{median(first_token):.0f} ms", "150 ms")
    page.get_by_role("button", name="X-ray").click()
    row("click on a token to what lies behind it", f"{median(inside):.0f} ms", "-")


# --- start ----------------------------------------------------------------------------------------------------


def start() -> None:
    """From the command to the first tokens on the page: process, page and browser new each time."""
    took = []
    for _ in range(3):
        port, began = free_port(), time.perf_counter()
        server = serve(port, CHECKPOINTS)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=installed_chromium(), args=FLAGS)
            open_when_served(browser.new_page(), f"http://127.0.0.1:{port}/")
            took.append(time.perf_counter() - began)
            browser.close()
        server.kill()
        server.wait()
    row("command to usable page", f"{statistics.median(took):.1f} s", "12 s")


PARTS = ("start", "tokenizer", "attention", "train", "chat", "label", "watched")


def main() -> None:
    parser = argparse.ArgumentParser("python -m tests.benchmarks.page", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="some parts only")
    only = parser.parse_args().only
    sys.stdout.write("| in the browser | median | budget |\n| --- | --- | --- |\n")
    if "start" in only:
        start()
    if "tokenizer" in only:
        with served(CHECKPOINTS) as page:
            tokenizer(page)
    if "attention" in only:
        with served(CHECKPOINTS) as page:
            attention(page, Tokenizer.load(CHECKPOINTS / "bard-base"), "bard-base")
        with tempfile.TemporaryDirectory() as directory:
            vocabulary = large_model(Path(directory))
            with served(Path(directory)) as page:
                attention(page, vocabulary, "124M")
                long_text(page, vocabulary, "124M")
    if "train" in only:
        with tempfile.TemporaryDirectory() as directory:
            shutil.copytree(CHECKPOINTS / "bard-base", Path(directory) / "bard-base")
            with served(Path(directory)) as page:
                train(page, Path(directory))
    if "chat" in only:
        with tempfile.TemporaryDirectory() as directory:
            shutil.copytree(CHECKPOINTS / "bard-chat", Path(directory) / "bard-chat")
            with served(Path(directory)) as page:
                chat(page)
    if "label" in only:
        with tempfile.TemporaryDirectory() as directory:
            shutil.copytree(CHECKPOINTS / "bard-chat", Path(directory) / "bard-chat")
            with served(Path(directory)) as page:
                label(page, Votes(Path(directory) / "preferences.db"))
    if "watched" in only:
        with tempfile.TemporaryDirectory() as directory:
            shutil.copytree(CHECKPOINTS / "bard-base", Path(directory) / "bard-base")
            with served(Path(directory)) as page:
                watched(page, Path(directory))


if __name__ == "__main__":
    main()
