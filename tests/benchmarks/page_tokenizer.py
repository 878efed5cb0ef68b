"""How quickly the tokenizer tab answers, in a real browser: `python -m tests.benchmarks.page_tokenizer`."""

import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from playwright.sync_api import Page, sync_playwright

from playground.__main__ import launch
from playground.services import Services
from tests.conftest import free_port
from tests.ui.conftest import CHROMIUM, FLAGS, SHIPPED
from tests.ui.steps import open_page, open_panel

LINE = "But soft, what light through yonder window breaks? It is the east, and Juliet is the sun.\n"
ROUNDS = 7

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


def median(measure: Callable[[int], float]) -> float:
    return statistics.median(measure(i) for i in range(ROUNDS))


def tokenizer(page: Page, url: str) -> list[tuple[str, str]]:
    """Rows of a table: what was measured, and its median."""
    open_page(page, url)
    page.wait_for_timeout(2000)  # the first look counts Shakespeare's tokens
    text = (LINE * 23)[:2000]
    keystroke = median(lambda i: page.evaluate(TYPE, text + "x" * (i + 1))[0])
    long = [page.evaluate(TYPE, (LINE * 2500)[: 200_000 + i]) for i in range(ROUNDS)]
    page.evaluate(TYPE, LINE * 6)
    open_panel(page, "Merge scrubber")
    page.locator(".pg-merge-curve .xtitle").wait_for()
    positions = median(lambda _: page.evaluate(SCRUB))
    return [
        ("keystroke to chips, 2,000 characters, two vocabularies", f"{keystroke:.0f} ms"),
        ("200 kB to figures and the first page of chips", f"{statistics.median(took for took, _ in long):.0f} ms"),
        ("longest pause of the page meanwhile", f"{statistics.median(pause for _, pause in long):.0f} ms"),
        (f"merge scrubber, {len(LINE * 6)} characters", f"{positions:.0f} positions/s"),
    ]


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        workspace = Path(directory) / "checkpoints"
        shutil.copytree(SHIPPED, workspace / "bard-base")
        port = free_port()
        blocks = launch(Services.open(workspace, torch.device("cpu")), "127.0.0.1", port, browser=False, wait=False)
        installed = next(filter(None, map(shutil.which, CHROMIUM)), None)
        browser = playwright.chromium.launch(executable_path=installed, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        for name, figure in tokenizer(page, f"http://127.0.0.1:{port}/"):
            sys.stdout.write(f"| {name} | {figure} |\n")
        browser.close()
        blocks.close()


if __name__ == "__main__":
    main()
