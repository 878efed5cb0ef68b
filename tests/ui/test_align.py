"""The Align tab: it shows what the files of runs say, refuses in words, and leads from votes to before and after."""

import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from core import checkpoint
from core.checkpoint import Card
from core.datasets.preference_files import Preference
from core.goodhart import describe
from core.method_comparison_file import METHODS, comparisons, read_comparison
from core.model import GPT
from core.preferences.rule_annotators import annotator_of
from core.preferences.vote_store import Votes
from core.tokenizer import Tokenizer
from core.training.log_lines import read_lines
from core.training.run_directory import Run
from playground.tabs.align import mixtures
from tests.helpers.small_chat import make_small_chat
from tests.ui.runs import HOSTILE, add_aligned_steps, write_aligned
from tests.ui.steps import (
    choose,
    choose_model,
    choose_run,
    open_page,
    open_tab,
    unfold,
    wait_for_points,
    wait_for_state,
)

VIEW = "#align-view .pg-run"
# Where the parts of the view begin that stand below each other at any width.
PLACES = """["pg-outcome", "pg-details-part", "pg-run-main", "pg-more-curves", "pg-meanings"].map((part) =>
  document.querySelector(`#align-view .${part}`).getBoundingClientRect().top)"""


def open_align(page: Page, url: str, *tabs: str) -> None:
    open_page(page, url)
    for name in ("Align", *tabs):
        open_tab(page, name)


def look_at(page: Page, run: str, points: int = 40) -> None:
    choose_run(page, "align", run)
    wait_for_points(page, run, points, view=VIEW)


def plotted(page: Page, plot: str, trace: str) -> list[list[float]]:
    """[x, y] of a trace, as soon as it is drawn."""
    script = """([plot, trace]) => {
        const drawn = document.querySelector(plot)?.data?.find(({ name }) => name === trace);
        return drawn && [drawn.x, drawn.y];
    }"""
    return page.wait_for_function(script, arg=[plot, trace]).json_value()


def set_range(page: Page, label: str, value: int) -> None:
    page.get_by_label(label, exact=True).fill(str(value))


def votes_of(workspace: Path) -> Votes:
    return Votes(workspace / "preferences.db")


def test_runs_show_what_they_have_gained_and_how(page: Page, url: str, workspace: Path) -> None:
    runs = {
        "bent": write_aligned(workspace, "bent", "dpo"),
        "taught": write_aligned(workspace, "taught", "ppo", kl_target=6.0, kl_stop=400.0, reward_model="some"),
        "judge": write_aligned(workspace, "judge", "reward"),
    }
    Run.create(workspace / "learner", "pretrain", {"device": "cpu"})
    open_align(page, url)
    expect(page.locator("#align-run")).to_be_visible()
    page.locator("#align-run summary").click()
    expect(page.locator("#align-run [data-run]")).to_have_count(4)  # this tab's stages; GRPO made bard-chat
    page.locator("#align-run summary").click()
    dpo_shows_margin_against_kl_and_how_each_pair_has_moved(page, runs["bent"])
    ppo_shows_score_against_kl_and_colours_tokens_of_the_moment(page, runs["taught"])
    a_reward_model_shows_calibration_and_margins_while_it_learns(page, runs["judge"])


def dpo_shows_margin_against_kl_and_how_each_pair_has_moved(page: Page, run: Run) -> None:
    look_at(page, "bent")
    evaluations = [line for line in read_lines(run.metrics)[0] if "kl/val" in line]
    drawn = plotted(page, ".pg-aligned .js-plotly-plot", "held-out")
    assert drawn == [[line["kl/val"] for line in evaluations], [line["margin/val"] for line in evaluations]]
    told = page.locator(".pg-told")
    expect(told).to_have_count(6)
    expect(told.locator(".pg-changed")).to_have_count(5)
    expect(told.first).to_contain_text("I say what I have always said, 0.")
    expect(page.locator(".pg-held-out")).to_contain_text(
        "After step 40, 5 of 8 answers to held-out prompts have changed."
    )
    expect(page.locator("#align-view .pg-outcome")).to_contain_text("8.0 → ")
    assert page.evaluate(PLACES) == sorted(page.evaluate(PLACES)), "what changed, against KL, the pairs, the curves"
    story = page.locator(".pg-story")
    expect(story).to_contain_text("In 4 of 6 pairs the margin grew.")
    expect(story).to_contain_text("In 3 of these the preferred answer fell, yet the margin grew")
    pair = page.locator(".pg-pair")
    expect(pair.locator(".pg-pair-prompt")).to_have_text(f"Prompt 1 {HOSTILE}")
    pair.get_by_role("button", name="Next").press("Enter")
    pair.get_by_role("button", name="Next").press("Enter")
    expect(pair).to_contain_text("pair 3 of 6")
    expect(pair).to_contain_text("Preferred 3")
    expect(pair).to_contain_text("\N{MINUS SIGN}5.0 nats: less likely")
    page.evaluate(
        "document.querySelector('.pg-pair').previousSibling.emit('plotly_click', { points: [{ customdata: 5 }] })"
    )
    expect(pair).to_contain_text("Rejected 6")
    set_range(page, "evaluation", 0)
    expect(story).to_have_text("Nothing has moved yet.")
    meanings = page.locator(".pg-meanings")
    expect(meanings).to_contain_text("KL: how far the model has moved from where it began, in nats a response")
    expect(meanings).to_contain_text("Loss: how surprised the model is by a vote")
    assert page.locator(".pg-run img").count() == 0, "a text became markup"


def ppo_shows_score_against_kl_and_colours_tokens_of_the_moment(page: Page, run: Run) -> None:
    look_at(page, "taught")
    rollouts = [line for line in read_lines(run.metrics)[0] if "objective/kl" in line]
    drawn = plotted(page, ".pg-aligned .js-plotly-plot", "rollouts")
    assert drawn == [[line["objective/kl"] for line in rollouts], [line["objective/scores"] for line in rollouts]]
    shapes = "document.querySelector('.pg-aligned .js-plotly-plot')?.layout?.shapes?.map(({ x0 }) => x0).join()"
    page.wait_for_function(f"{shapes} === '6'")  # what lies far beyond is not drawn

    cards = page.locator(".pg-rollout")
    expect(cards).to_have_count(2)
    expect(cards.nth(0)).to_contain_text("score +0.40 · KL +0.6 nats · 5 tokens · cut off")
    expect(cards.nth(1)).to_contain_text("ended by itself")
    chips = cards.nth(0).locator(".pg-chip")
    expect(chips).to_have_count(5)
    color = "(node) => getComputedStyle(node).backgroundColor"
    orange, blue, middle = (chips.nth(i).evaluate(color) for i in range(3))
    assert (orange, blue) == ("rgb(213, 94, 0)", "rgb(0, 114, 178)") and middle.startswith("rgb(24")
    page.get_by_role("button", name="advantage").press("Enter")
    expect(page.get_by_role("button", name="advantage")).to_have_attribute("aria-pressed", "true")
    assert chips.nth(0).evaluate(color) == "rgb(0, 114, 178)" and chips.nth(2).evaluate(color) == "rgb(213, 94, 0)"
    expect(page.locator(".pg-rollouts")).to_contain_text("it went better than the value head expected")


def a_reward_model_shows_calibration_and_margins_while_it_learns(page: Page, run: Run) -> None:
    look_at(page, "judge")
    pictures = page.locator(".pg-details-of-stage .pg-picture")
    expect(pictures.nth(1)).to_contain_text("6 of 6 are ranked right (100 %)")
    assert plotted(page, ".pg-details-of-stage .js-plotly-plot", "reward model") == [[0.6], [0.5]]
    set_range(page, "evaluation", 0)
    expect(pictures.nth(1)).to_contain_text("2 of 6 are ranked right (33 %)")
    add_aligned_steps(run, "reward", 41, 50)
    wait_for_points(page, "judge", 50, view=VIEW)
    expect(pictures.nth(1)).to_contain_text("2 of 6 are ranked right (33 %)")  # who looks back is not pulled away
    set_range(page, "evaluation", 5)
    expect(page.locator(".pg-timeline")).to_contain_text("50")


def test_what_cannot_be_learned_from_is_said_before_the_start(page: Page, url: str, workspace: Path) -> None:
    (workspace / "bard-chat" / "run.json").unlink()  # a model, and no run of this tab's stages
    open_align(page, url, "DPO")
    plan = page.locator("#dpo-plan")
    expect(plan).to_contain_text("There are no votes yet: give some in the Label tab, load the example set there")
    page.locator("#dpo-start").click()
    expect(page.locator("#dpo-form .pg-start-said")).to_contain_text("There are no votes yet")
    expect(page.locator("#align-view")).to_contain_text("Nothing has been aligned here yet")

    votes = votes_of(workspace)
    votes.import_preferences([Preference("Who?", "I.", "Thou.", tie=True)], "me")
    open_tab(page, "Reward model")
    open_tab(page, "DPO")
    expect(plan).to_contain_text("1 vote, and none of them says that one answer is better")
    votes.import_preferences([Preference("Who?", "I.", "Thou."), Preference("What?", "This.", "That.")], "you")
    open_tab(page, "Reward model")
    open_tab(page, "DPO")
    expect(plan).to_contain_text("3 votes on 2 prompts, 1 tie. So few can be learned by heart")
    choose(page, "dpo-data", "votes by you (2)")
    expect(plan).to_contain_text("2 votes on 2 prompts, no ties.")
    bad = workspace / "bad.jsonl"
    bad.write_text(json.dumps({"prompt": "a", "chosen": "b"}) + "\n", encoding="utf-8")
    fill(page, "dpo-data", str(bad))
    expect(plan).to_contain_text("bad.jsonl, line 1: rejected missing; correct it, or switch skip_bad_lines on")
    fill(page, "dpo-parent", str(workspace / "bard-base"))
    expect(plan).to_contain_text("bard-base continues texts instead of answering")

    open_tab(page, "PPO")
    expect(page.locator("#ppo-plan")).to_contain_text(
        "There is no reward model with the vocabulary of bard-chat yet: train one on your votes first"
    )


def fill(page: Page, elem_id: str, value: str) -> None:
    box = page.locator(f"#{elem_id} input, #{elem_id} textarea").first
    box.fill(value)
    box.press("Enter")


@pytest.mark.slow
def test_from_a_counted_reward_to_before_and_after(
    page: Page, url: str, workspace: Path, make_model: Callable[..., GPT], tokenizer: Tokenizer
) -> None:
    votes_of(workspace).import_preferences([Preference("Who?", "I?", "I.")], annotator_of("question"), "rule")
    make_small_chat(workspace / "small")
    open_align(page, url, "GRPO")
    plan = page.locator("#grpo-plan")
    expect(plan).to_contain_text("Fits")
    fill(page, "grpo-reward", "beauty")
    expect(plan).to_contain_text("'beauty' is no reward: name one or several of")
    fill(page, "grpo-reward", "my.py:fn")
    expect(plan).to_contain_text("executed only if you name it on the command line")
    choose(page, "grpo-reward", "asks a question (question)")
    choose(page, "grpo-parent", "small")
    expect(plan).to_contain_text("Fits")
    page.locator("#align-stages").get_by_role("button", name="More settings").and_(page.locator(":visible")).click()
    small = {"group_size": 8, "max_steps": 2, "rollouts": 32, "batch_size": 32, "max_new_tokens": 20}
    small |= {"warmup_steps": 0, "eval_interval": 2, "learning_rate": 0.0003}
    for name, value in small.items():
        fill(page, f"grpo-{name}", str(value))
    page.locator("#grpo-start").click()
    wait_for_state(page, "grpo-1", "finished", seconds=240, view=VIEW)
    groups = page.locator("#align-view .pg-group")
    expect(groups).to_have_count(2)
    expect(groups.first.locator(".pg-rollout")).to_have_count(8)
    expect(groups.first.locator(".pg-rollout").first).to_contain_text("advantage +")
    verdict = page.locator("#align-view .pg-outcome[data-verdict]")
    expect(verdict).to_contain_text("The reward of answers: ")
    expect(verdict).to_contain_text("it has moved by")
    assert Run(workspace / "grpo-1").read()[1]["reward"] == "question"

    open_tab(page, "Before and after")
    expect(page.locator("#compare-before input")).to_have_value("small")
    expect(page.locator("#compare-after input")).to_have_value("grpo-1")
    expect(page.locator("#compare-rule input")).to_have_value("asks a question")
    fill(page, "compare-count", "3")
    page.locator("#compare-start").click()
    page.wait_for_function(
        "(d => d?.running === 'false' && d.answered === '3')(document.querySelector('.pg-compare')?.dataset)",
        timeout=120_000,
    )
    expect(page.locator(".pg-exchange")).to_have_count(3)
    expect(page.locator(".pg-compare")).to_contain_text("By the rule: it asks a question")
    expect(page.locator(".pg-measured")).to_contain_text("KL from the model before (nats a response)")
    marks = page.locator(".pg-exchange").first.locator(".pg-won, .pg-tied")
    assert marks.count() in (1, 2), "one wins, or both tie"

    page.get_by_role("button", name="Blind vote: 20 pairs").click()
    expect(page.locator("#align-vote")).to_contain_text("A is better")
    page.reload()
    open_tab(page, "Align")
    open_tab(page, "Before and after")
    expect(page.locator(".pg-exchange")).to_have_count(3)  # still there
    expect(page.locator("#compare-before input")).to_have_value("small")
    choose(page, "compare-before", "grpo-1")
    page.locator("#compare-start").click()
    expect(page.locator("#compare-said")).to_contain_text("Choose two different models")
    small = make_model(block_size=256, n_layer=1, n_embd=16)
    checkpoint.save(workspace / "tiny-chat", small, tokenizer, Card("sft"))
    methods_are_compared_and_found_again(page, workspace)
    a_reward_model_is_pushed_against_and_what_came_of_it_deleted(page, workspace)


def methods_are_compared_and_found_again(page: Page, workspace: Path) -> None:
    open_tab(page, "Compare methods")
    expect(page.locator(".pg-methods")).to_contain_text("Nothing has been compared yet")
    expect(page.locator("#methods-parent input")).to_have_value("bard-chat")
    page.locator(".pg-methods").get_by_role("button", name="More settings").click()
    fill(page, "methods-parent", str(workspace / "bard-base"))
    choose(page, "methods-device", "cpu")
    for name, value in {"votes": 20, "length": 0.02, "prompts": 20, "samples": 2}.items():
        fill(page, f"methods-{name}", str(value))
    page.locator("#methods-start").click()
    expect(page.locator(".pg-methods .pg-start:visible")).to_contain_text("bard-base does not answer in turns")
    fill(page, "methods-parent", str(workspace / "tiny-chat"))
    choose(page, "methods-rule", "is shorter (shorter)")
    page.locator("#methods-start").click()
    expect(page.locator(".pg-methods")).to_have_attribute("data-state", "running")
    page.reload()
    open_tab(page, "Align")
    open_tab(page, "Compare methods")
    expect(page.locator(".pg-methods")).to_have_attribute("data-state", "finished", timeout=300_000)
    (directory,) = comparisons(workspace)
    found = read_comparison(directory)
    for method, title in METHODS.items():
        drawn = plotted(page, ".pg-methods .js-plotly-plot", title)
        points = [point for point in found.points if point.method == method]
        expected = points if method == "best-of-n" else [found.points[0], *points]
        assert drawn == [[point.kl for point in expected], [point.reward for point in expected]]
    expect(page.locator(".pg-methods table tr")).to_have_count(2 + len(METHODS))
    expect(page.locator(".pg-methods table")).to_contain_text("1 more answer each time")


def a_reward_model_is_pushed_against_and_what_came_of_it_deleted(page: Page, workspace: Path) -> None:
    view = page.locator(".pg-methods")
    view.get_by_role("button", name="Goodhart at home").click()
    expect(view).to_contain_text("Nothing has been pushed yet")
    expect(page.locator("#goodhart-rule input")).to_have_value("has about a dozen words (dozen)")
    view.get_by_role("button", name="More settings").and_(page.locator(":visible")).click()
    choose(page, "goodhart-device", "cpu")
    small = {"parent": workspace / "tiny-chat", "votes": "2", "length": 0.02, "prompts": 20, "samples": 2}
    for name, value in small.items():
        fill(page, f"goodhart-{name}", str(value))
    expect(view.locator(".pg-start:visible")).to_contain_text("Votes must be at most 6 numbers from 20 to 5,000")
    fill(page, "goodhart-votes", "20")
    page.locator("#goodhart-start").click()
    expect(view).to_have_attribute("data-state", "running")
    page.reload()
    open_tab(page, "Align")
    open_tab(page, "Compare methods")
    expect(view).to_have_attribute("data-state", "finished", timeout=300_000)
    found = read_comparison(comparisons(workspace)[0])
    for number, method in enumerate(("best-of-n", "ppo")):
        first = found.points[0]
        points = [point for point in found.points if (point.method, point.votes) == (method, 20)]
        points = points if method == "best-of-n" else [first, *points]
        plot = f".pg-methods .pg-columns .pg-picture:nth-child({number + 1}) .js-plotly-plot"
        assert plotted(page, plot, "20 votes") == [
            [math.sqrt(point.kl) for point in points],
            [point.proxy for point in points],  # the first of the two with this name
        ]
    expect(view.locator(".pg-goodhart-found li")).to_have_count(len(describe(found)))
    view.get_by_role("button", name="Delete").click()
    view.get_by_role("button", name="Sure?").click()
    expect(view.get_by_text("Nothing has been pushed yet")).to_be_visible()
    assert "goodhart" not in [read_comparison(path).kind for path in comparisons(workspace)]


def test_a_dial_answers_at_once_is_measured_kept_and_turned_in_chat(
    page: Page,
    url: str,
    workspace: Path,
    make_model: Callable[..., GPT],
    tokenizer: Tokenizer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mixtures, "AMOUNTS", (0.0, 1.0))
    monkeypatch.setattr(mixtures, "evaluator", partial(mixtures.evaluator, prompts=4))
    for name, std, parent in (("elder", 0.3, None), ("one", 0.31, "elder"), ("two", 0.32, "elder")):
        model = make_model(block_size=512, std=std)
        checkpoint.save(workspace / name, model, tokenizer, Card("dpo" if parent else "sft", parent))
    open_align(page, url, "Before and after")
    choose(page, "compare-after", "one")
    dial = page.locator("#dial-view")
    dial.get_by_role("button", name="slide between one and its parent").click()
    expect(dial.locator(".pg-dial-ends")).to_have_text("0: elder1: one")
    answer = dial.locator(".pg-answer")
    child = answer_after(answer, 1)

    slider = dial.get_by_label("a of one")
    slider.fill("0")
    parent = answer_after(answer, 2)
    assert parent != child
    expect(dial.locator(".pg-dial-mixed")).to_have_text("elder")
    slider.fill("1")
    assert answer_after(answer, 3) == child
    dial.get_by_role("button", name="Layers").click()
    dial.get_by_role("button", name="None", exact=True).click()
    assert answer_after(answer, 4) == parent, "of the change nothing is left"
    dial.get_by_role("button", name="All", exact=True).click()
    answer_after(answer, 5)

    dial.get_by_label("Second child").select_option("two")
    answer_after(answer, 6)
    pad = dial.locator(".pg-dial-pad").bounding_box()
    assert pad is not None
    page.mouse.click(pad["x"] + pad["width"] / 2, pad["y"] + pad["height"] / 2)
    expect(dial.locator(".pg-dial-mixed")).to_have_text(
        "elder + 0.5 (one \N{MINUS SIGN} elder) + 0.5 (two \N{MINUS SIGN} elder)"
    )
    dial.get_by_role("button", name="Keep as a model").click()
    expect(dial).to_contain_text("one-mixed is among the models now.")
    assert checkpoint.read_card(workspace / "one-mixed" / "card.json").data["mixed"] == {"one": 0.5, "two": 0.5}
    dial.get_by_role("button", name="Steer by your votes").click()
    expect(dial).to_contain_text("There are 0 votes that prefer an answer, and a vector needs 10.")
    dial.get_by_role("button", name="Measure the dial").click()
    expect(dial.locator(".pg-dial-picture")).to_have_attribute("data-points", "2")
    assert plotted(page, "#dial-view .js-plotly-plot", "dial of one with 0.5 two")[0][0] > 0, "the other child stays"

    choose_model(page, "one-mixed")
    open_tab(page, "Chat")
    unfold(page, "chat-manner")
    page.locator("#chat-dial input").fill("0.5")
    expect(page.locator("#chat-dial label")).to_have_text("Dial: 0.50 from elder")
    page.locator("#chat-text textarea").fill("Who is there?")
    page.locator("#chat-text textarea").press("Enter")
    said = page.locator(".pg-said-model")
    expect(said).to_have_attribute("data-state", "finished")
    expect(said.locator(".pg-said-who")).to_have_text("one-mixed (dial 0.5)")
    said.get_by_role("button", name="Edit", exact=True).click()
    page.get_by_label("The answer, to be edited").fill("Nay, answer me.")
    page.get_by_role("button", name="Keep as the better answer").click()
    expect(page.locator(".pg-said-note")).to_contain_text("edited by you")
    assert Votes(workspace / "preferences.db").standing()[-1].rejected.writer == "one-mixed (dial 0.5)"


def answer_after(answer: Locator, turn: int) -> str:
    """What stands there when the dial has been turned so often and its model has answered to the end."""
    expect(answer).to_have_attribute("data-turn", str(turn))
    return answer.locator(".pg-answer-text").inner_text()
