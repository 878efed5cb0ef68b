"""The dial in the docs: its picture, its tables, and how soon a turn is answered: `python -m tests.benchmarks.dial`.

bard-chat and bard-aligned, and a steering vector of 200 votes of the rule that made the second from the first. The page
measures and draws, as for anyone. `--letter` measures the dial in the child's HTML file instead, beside that dial.
"""

import argparse
import shutil
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from playwright.sync_api import Page, ViewportSize

from core.datasets.preference_files import read_preferences
from core.export import export
from core.mix_command import say
from core.preferences.rule_annotators import annotator_of
from core.preferences.vote_store import FILE, Votes
from core.rlhf.task_vectors import EMBEDDINGS, parts
from core.task_arithmetic import AMOUNTS, STRENGTHS, Mixture, evaluator, mixed, read_family, sweep
from playground.services.checkpoints import Checkpoints
from playground.tabs.align.mixtures import Mixtures
from tests.helpers.alignment import CHAT, voted
from tests.helpers.pictures import browser, playground, take
from tests.helpers.rounding import rounded_difference, rounded_mixture
from tests.ui.steps import choose, open_tab

ASSETS = Path(__file__).parents[2] / "assets"
CHILD, RULE, VOTES, TURNS = "bard-aligned", "question", 200, 20
SIZE: ViewportSize = {"width": 1200, "height": 1000}
TRACES = "(document.querySelector('#dial-view .js-plotly-plot')?.data ?? [])"
DRAWN = f"([varied, n]) => {TRACES}.some((trace) => trace.name.startsWith(varied) && trace.x.length === n)"
LETTER_SIZE: ViewportSize = {"width": 1000, "height": 900}
LETTER = (-1.0, 0.0, 0.5, 1.0, 1.5)  # where the dial of the HTML file is measured
# ms from a turn of the letter's dial, at once answered again, until it is mixed, until the first token is there, and
# from then until the last; and how many tokens those are
TURN = """async (a) => {
  const dial = document.querySelector("#dial input");
  const answers = document.getElementsByClassName("assistant");
  dial.value = a;
  const began = performance.now();
  dial.dispatchEvent(new Event("input"));
  document.getElementById("rewrite").click();
  const mixed = performance.now() - began;
  while (!answers[answers.length - 1].querySelector(".token") && !document.querySelector("#rewrite:enabled")) {
    await new Promise((resolve) => setTimeout(resolve));
  }
  const first = performance.now() - began;
  while (!document.querySelector("#rewrite:enabled")) await new Promise((resolve) => setTimeout(resolve));
  const more = answers[answers.length - 1].querySelectorAll(".token").length - 1;
  return [mixed, first, performance.now() - began - first, more];
}"""
POINTS = f"{TRACES}.flatMap((trace) => trace.customdata)"


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.benchmarks.dial", description=__doc__.splitlines()[0])
    parser.add_argument("--votes", type=Path, help="a file of votes, instead of having the rule give them")
    parser.add_argument("--letter", action="store_true", help="only the HTML file of the child")
    parser.add_argument("--picture", type=Path, help="its file [assets/dial.png, or assets/letter.png]")
    args = parser.parse_args()
    with TemporaryDirectory() as name:
        place = Path(name)
        if args.letter:
            compare_letter()
            time_letter(place / "letter.html", args.picture or ASSETS / "letter.png")
            return 0
        votes = args.votes or voted(place, RULE, VOTES)
        (place / FILE).unlink(missing_ok=True)
        for model in (CHAT, CHAT.with_name(CHILD)):
            shutil.copytree(model, place / model.name)
        Votes(place / FILE).import_preferences(read_preferences(votes).pairs, annotator_of(RULE))
        turn(place)
        measure_layers(place)
        draw(place, args.picture or ASSETS / "dial.png")
    return 0


def turn(place: Path) -> None:
    """How soon the first token of an answer is there after a turn, each to another place."""
    dial = Mixtures(Checkpoints(place, torch.device("cpu")), Votes(place / FILE))
    dial.about(CHILD)
    waits, worked = [], []
    for i in range(TURNS):
        began, work = time.perf_counter(), time.process_time()
        name = dial.begin(Mixture(((CHILD, round(-1 + 3 * i / TURNS, 2)),)), "What say you, my lord?", seed=0)
        while (news := dial.answers.more({name: 0})[name]) and not news["tokens"] and news["state"] == "writing":
            pass
        waits.append(1000 * (time.perf_counter() - began))
        worked.append(1000 * (time.process_time() - work))
        while (news := dial.answers.more({name: 10**6})[name]) and news["state"] == "writing":
            pass
    told = f"{statistics.median(waits):.0f} ms in the median, at most {max(waits):.0f}"
    sys.stdout.write(f"a turn to its first tokens: {told}; {statistics.median(worked):.0f} ms of computing\n")


def measure_layers(place: Path) -> None:
    """What one layer of the change does, and all of it but one half."""
    family = read_family([place / CHILD], lambda name: place / name)
    measure = evaluator(family, RULE)
    every = set(parts(family.parent.model.config))
    layers = range(family.parent.model.config.n_layer)
    kept = {f"layer {i + 1} alone": {f"attn.{i}", f"mlp.{i}"} for i in layers}
    for half in ("attn", "mlp"):
        kept[f"{half} alone"] = {part for part in every if part.startswith(half)}
    kept["embeddings alone"] = {EMBEDDINGS}
    wanted = [Mixture(((CHILD, 1.0),), frozenset(every - some)) for some in kept.values()]
    for name, (_, measured) in zip(kept, sweep(family, wanted, measure), strict=True):
        sys.stdout.write(f"{name}: {say(measured, len(measure.prompts))}\n")


def compare_letter() -> None:
    """What one bit a weight holds of the change, and what answers at the same place of both dials do."""
    family = read_family([CHAT.with_name(CHILD)], CHAT.with_name)
    child, parent = family.children[CHILD].model, family.parent.model
    start, learned = dict(parent.named_parameters()), rounded_difference(child, parent)
    change = torch.cat([(end - start[name]).flatten() for name, end in child.named_parameters()])
    held = torch.cat([learned[name].flatten() for name in start])
    sys.stdout.write(f"cosine of the change and of what is held {torch.cosine_similarity(change, held, 0):.3f}\n")
    measure = evaluator(family, RULE)
    for a in LETTER:
        models = mixed(family, Mixture(((CHILD, a),))), rounded_mixture(child, parent, a)
        for kind, model in zip(("dial", "letter"), models, strict=True):
            sys.stdout.write(f"{kind} at {a:g}: {say(measure.measure(model), len(measure.prompts))}\n")


def time_letter(path: Path, picture: Path) -> None:
    """The file's size, how soon it is read, how fast it writes, and how soon a turn of its dial is answered."""
    export(CHAT.with_name(CHILD), path)
    sys.stdout.write(f"{path.stat().st_size / 1e6:.2f} MB\n")
    with browser() as started:
        page = started.new_page(viewport=LETTER_SIZE, device_scale_factor=1.5)
        began = time.perf_counter()
        page.goto(path.as_uri())
        page.locator("#send:enabled").wait_for()
        sys.stdout.write(f"opened in {1000 * (time.perf_counter() - began):.0f} ms\n")
        page.get_by_label("What you say").fill("What say you, my lord?")
        page.get_by_role("button", name="Send").click()
        page.locator("#rewrite:enabled").wait_for()
        turns = [page.evaluate(TURN, str(round(-1 + 3 * i / TURNS, 2))) for i in range(TURNS)]
        page.reload()
        draw_letter(page, picture)
    mixed_after, first_after, written_in, more = zip(*turns, strict=True)
    for what, times in (("mixed", mixed_after), ("first token", first_after)):
        sys.stdout.write(f"{what} after {statistics.median(times):.0f} ms in the median, at most {max(times):.0f}\n")
    sys.stdout.write(f"then {1000 * sum(more) / sum(written_in):.0f} tokens a second\n")


def draw_letter(page: Page, picture: Path) -> None:
    """A question, answered by the model and by a mixture, and what stands behind a token of the second answer."""
    page.locator("#send:enabled").wait_for()
    page.set_viewport_size({"width": LETTER_SIZE["width"], "height": 720})
    page.get_by_label("Temperature").fill("0")
    page.get_by_label("What you say").fill("What say you, my lord?\n\nAnswer in two lines.")
    page.get_by_role("button", name="Send").click()
    page.locator("#rewrite:enabled").wait_for()
    for _ in range(10):
        page.get_by_role("slider", name="Dial").press("ArrowLeft")
    page.get_by_role("button", name="Answer again").click()
    page.locator("#rewrite:enabled").wait_for()
    page.locator(".bubble.assistant:not(.earlier) .token").nth(4).press("Enter")
    for label, at in (("Layer", "3"), ("Head", "4")):
        page.get_by_label(label).select_option(label=at)
    take(page.locator("body"), picture)


def draw(place: Path, picture: Path) -> None:
    with playground(place, SIZE, 1.5) as page:
        measure_on_page(page)
        take(page.locator("#dial-view"), picture)


def measure_on_page(page: Page) -> None:
    for name in ("Align", "Before and after"):
        open_tab(page, name)
    choose(page, "compare-after", CHILD)
    view = page.locator("#dial-view")
    view.get_by_role("button", name="slide between").click()
    slider = view.get_by_label(f"a of {CHILD}")
    for varied, at, points in (("dial", "0.75", len(AMOUNTS)), ("steering", "0", len(STRENGTHS))):
        slider.fill(at)
        began, work = time.perf_counter(), time.process_time()
        view.get_by_role("button", name=f"Measure {'the ' if varied == 'dial' else ''}{varied}").click()
        page.wait_for_function(DRAWN, arg=[varied, points])
        taken, worked = time.perf_counter() - began, time.process_time() - work
        sys.stdout.write(f"{varied}: {points} points in {taken:.0f} s, {worked:.0f} s of computing\n")
    for text in page.evaluate(POINTS):
        sys.stdout.write(f"{text.replace('<br>', '; ')}\n")
    slider.fill("0.75")
    page.wait_for_timeout(2000)  # in which it is answered


if __name__ == "__main__":
    sys.exit(main())
