"""The most decisive votes of `bard-chat`, proved: `python -m tests.benchmarks.decisive`.

A rule votes, DPO learns, and each vote is asked how much it made the model say what it now answers to a prompt. Then
DPO runs again without the five most decisive votes, and without five others, drawn at random several times: by how
much has the log-probability of that answer changed? `--picture` leaves the docs' pictures: what the page
shows of the first of these proofs, and answers in Chat that were judged.
"""

import argparse
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Page, ViewportSize

from core.datasets.prompts import held_out_prompts
from core.decisive_votes import DECISIVE, DecisiveVotes
from tests.helpers.alignment import CHAT, trained, voted
from tests.helpers.pictures import playground, take
from tests.ui.steps import choose, open_tab

VOTES, HELD_OUT = 72, 1 / 6
STEPS = 12
ASSETS = Path(__file__).parents[2] / "assets"
SIZE: ViewportSize = {"width": 1200, "height": 900}
ASKED = ("What say you, my lord?", "Who goes there?", "Where is the king?")  # in Chat
WANTED = ("Say you so, my lord?", "", "Should I not ask it of thee?")  # as the answers are edited


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rule", default="question")
    parser.add_argument("--prompt", default=held_out_prompts(1)[0])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--picture", action="store_true", help="write assets/decisive.png and assets/feedback.png")
    args = parser.parse_args()
    say = sys.stdout.write
    with tempfile.TemporaryDirectory() as temporary:
        data, begin = voted(Path(temporary), args.rule, VOTES), time.perf_counter()
        intervals = {"eval_interval": STEPS, "save_interval": STEPS}
        run = trained(Path(temporary), "dpo", data=str(data), val_share=HELD_OUT, max_steps=STEPS, **intervals)
        work, learned = DecisiveVotes(run.directory), time.perf_counter()
        found = work.estimate(args.prompt)
        estimated = time.perf_counter()
        *_, proof = work.prove(found, draws=args.draws)
        proved = time.perf_counter()
        if args.picture:
            work.keep(replace(proof, measured=proof.measured[:4]))
            draw(Path(temporary), run.name)
    parent, whole, without, *others = proof.measured
    changes = [other.logprob - whole.logprob for other in others]
    say(f"{len(found.influences)} votes of the rule {args.rule}, {STEPS} steps; asked {args.prompt!r}\n")
    say(f"it says {whole.answer!r}, without the decisive {without.answer!r}\n")
    say(f"log-probability {whole.logprob:.2f} nats, by the parent {parent.logprob - whole.logprob:+.2f}\n")
    say(f"without the {DECISIVE} most decisive {without.logprob - whole.logprob:+.2f} nats\n")
    say(f"without {DECISIVE} others, {len(changes)} draws: mean {sum(changes) / len(changes):+.2f}, ")
    say(f"{min(changes):+.2f} to {max(changes):+.2f} nats\n")
    say(f"seconds: training {learned - begin:.0f}, estimate {estimated - learned:.0f}, ")
    say(f"each of {args.draws + 1} trainings of the proof {(proved - estimated) / (args.draws + 1):.0f}\n")


def draw(place: Path, model: str) -> None:
    """What the page shows: the votes of the model and their proof, and answers in Chat that were judged."""
    shutil.copytree(CHAT, place / CHAT.name)
    with playground(place, SIZE) as page:
        for name in ("Align", "Before and after"):
            open_tab(page, name)
        choose(page, "compare-after", model)
        part = page.locator("#decisive-view")
        part.get_by_role("button", name="Most decisive votes").click()
        part.locator("[data-measured]").wait_for()
        take(part, ASSETS / "decisive.png")
        page.set_viewport_size({"width": SIZE["width"], "height": 1100})  # for three turns
        page.goto(f"{page.url.partition('?')[0]}?__theme=light&tab=chat&model={CHAT.name}")
        judge(page)
        take(page.locator("#chat-log"), ASSETS / "feedback.png")


def judge(page: Page) -> None:
    """One answer edited and kept, one with a thumb, one that is being edited."""
    answers = page.locator("#chat-log .pg-said-model")
    for number, asked in enumerate(ASKED):
        page.locator("#chat-text textarea").fill(asked)
        page.locator("#chat-send").click()
        tool = "Good" if number == 1 else "Edit"
        answers.nth(number).get_by_role("button", name=tool, exact=True).click()
        if tool == "Edit":
            page.get_by_label("The answer, to be edited").fill(WANTED[number])
        if number == 0:
            page.get_by_role("button", name="Keep as the better answer").click()


if __name__ == "__main__":
    main()
