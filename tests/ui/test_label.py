"""The Label tab: a person votes by keyboard, whatever happens meanwhile, and finds every vote again."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core import checkpoint
from core.evaluation.instructions import replies
from core.generate import Sampling
from core.preferences.agreement import Rate, rate
from core.preferences.rule_annotators import RULES, prefer
from core.preferences.vote_store import MUCH, Vote, Votes
from core.tokenizer import Tokenizer
from tests.conftest import free_port
from tests.helpers.small_chat import make_small_chat, make_talker
from tests.ui.steps import choose, open_page, open_tab, unfold
from tests.ui.test_recovery import open_when_served, serve, wait_until_served

HOSTILE_NAME = "<img src=x onerror=alert(1)>"
HOSTILE_NOTE = "<b>loud</b> {{ 7 * 7 }}"
VOTING = "#label-vote .pg-voting"
READ = 300  # ms: a pair must be seen for a moment before it can be voted on


@pytest.fixture
def workspace(workspace: Path, tokenizer: Tokenizer) -> Path:
    """With a model whose answers cost next to nothing."""
    make_talker(workspace / "talker", tokenizer)
    return workspace


def open_label(page: Page, url: str) -> None:
    open_page(page, f"{url}?model=talker")
    open_tab(page, "Label")
    ready(page)


def ready(page: Page, other_than: str | None = None) -> str:
    """Wait for a pair; its number."""
    shown = "(d => d?.state === 'ready' && d.pair !== pair)(document.querySelector(selector)?.dataset)"
    page.wait_for_function(f"([selector, pair]) => {shown}", arg=[VOTING, other_than], timeout=60_000)
    return page.locator(VOTING).get_attribute("data-pair") or ""


def press(page: Page, key: str) -> str:
    """Vote on the pair that is seen; the number of the next one."""
    pair = ready(page)
    page.wait_for_timeout(READ)
    page.keyboard.press(key)
    return ready(page, other_than=pair)


def standing(workspace: Path) -> list[Vote]:
    return Votes(workspace / "preferences.db").standing()


def given(page: Page, count: int) -> None:
    expect(page.locator("#label-vote .pg-vote-progress")).to_contain_text(f"{count} of 30 votes", timeout=30_000)


@pytest.mark.slow
@pytest.mark.longest
def test_thirty_votes_by_keyboard_with_all_that_may_go_wrong(page: Page, url: str, workspace: Path) -> None:
    open_label(page, url)
    name = page.locator("#label-vote .pg-vote-name")
    name.fill(HOSTILE_NAME)
    name.press("Enter")
    given(page, 0)
    for key in ("1", "2", "3", "4", "0", "ArrowLeft", "Shift+ArrowRight"):
        press(page, key)
    choices = [vote.choice for vote in standing(workspace)]
    assert choices == ["left", "right", "tie", "bad", "skip", "left", "right"]
    assert [vote.margin for vote in standing(workspace)] == [0.0] * 6 + [MUCH]
    given(page, 6)  # a skipped pair is no vote

    pair = ready(page)
    page.wait_for_timeout(READ)
    for _ in range(4):
        page.keyboard.press("1")  # only the first press can be meant for this pair
    ready(page, other_than=pair)
    page.wait_for_timeout(READ)
    given(page, 7)

    note = page.locator("#label-vote .pg-vote-note")
    note.fill(HOSTILE_NOTE)
    note.press("1")  # typed, not voted
    note.press("Enter")
    press(page, "2")
    given(page, 8)
    noted = standing(workspace)[-1]
    assert (noted.note, noted.annotator, noted.choice) == (f"{HOSTILE_NOTE}1", HOSTILE_NAME, "right")

    first = press(page, "1")
    page.keyboard.press("u")
    page.keyboard.press("u")
    given(page, 7)
    assert ready(page, other_than=first) == str(noted.pair.id)
    press(page, "1")
    assert standing(workspace)[-1].pair.id == noted.pair.id

    before = ready(page)
    guidelines = page.locator("#label-guidelines")
    guidelines.get_by_role("button", name="Write").click()
    guidelines.get_by_label("Guidelines").fill("<b>Wit</b> before length")
    guidelines.get_by_role("button", name="Save").click()
    expect(guidelines.get_by_role("button", name="Edit")).to_be_visible()
    page.reload()
    open_tab(page, "Label")
    assert ready(page) == before, "a reload brings another pair"
    expect(guidelines).to_contain_text("<b>Wit</b> before length")
    expect(page.locator("#label-vote .pg-vote-name")).to_have_value(HOSTILE_NAME)

    window = page.context.new_page()
    open_label(window, url)
    assert ready(window) != ready(page), "two windows show the same pair"
    for _ in range(6):
        for one in (page, window):
            press(one, "1")
    window.close()
    told = []
    for _ in range(11):
        press(page, "2")
        told.append(page.locator("#label-vote .pg-vote-last").inner_text())
    given(page, 31)
    expect(page.locator("#label-vote .pg-vote-progress")).to_contain_text("goal reached")
    assert any("The taste predictor expected" in last for last in told), "of a pair that came back nothing is predicted"
    expect(page.locator("#label-insight")).to_contain_text("votes predicted")
    expect(page.locator("#label-insight")).to_contain_text("Left answer chosen")

    kept = standing(workspace)
    assert len(kept) == 32 and len({vote.pair.id for vote in kept}) == 32
    assert all(vote.milliseconds >= READ and vote.pair.left.model == "talker" for vote in kept)
    assert page.locator("#label-vote img, #label-insight img, #votes-table img, #votes-table b").count() == 0


@pytest.mark.slow
def test_votes_are_found_deleted_exported_imported_and_given_by_a_rule(
    page: Page, url: str, workspace: Path, tmp_path: Path
) -> None:
    open_label(page, url)
    table = page.locator("#votes-table")
    table.scroll_into_view_if_needed()
    expect(table).to_contain_text("No votes here yet")
    for key in ("1", "2", "3"):
        press(page, key)
    table.scroll_into_view_if_needed()
    expect(table.locator("tbody tr")).to_have_count(3)

    with page.expect_download() as download:
        table.get_by_role("button", name="Export all found").click()
    rows = [json.loads(line) for line in download.value.path().read_text(encoding="utf-8").splitlines()]
    assert [set(row) for row in rows] == [{"prompt", "chosen", "rejected"}] * 2
    first = standing(workspace)[0]
    said = {name: rows[0][name][-1]["content"] for name in rows[0]}
    assert said == {"prompt": first.pair.prompt, "chosen": first.pair.left.text, "rejected": first.pair.right.text}

    delete = table.locator("tbody tr").first.get_by_role("button")
    delete.click()
    expect(delete).to_have_text("Sure?")
    delete.click()
    expect(table.locator("tbody tr")).to_have_count(2)
    assert [vote.choice for vote in standing(workspace)] == ["left", "right"]
    table.get_by_label("Change this vote").last.select_option(label="B, much better")
    expect(table.locator(".pg-votes-said")).to_have_text("1 vote changed.")
    assert [(vote.choice, vote.margin) for vote in standing(workspace)] == [("right", 0.0), ("right", MUCH)]

    page.locator("#votes-example").click()
    expect(table).to_contain_text("asks a question", timeout=30_000)
    assert len(standing(workspace)) == 102
    table.get_by_label("Search").fill("FORESEE")
    expect(table).to_contain_text("1 vote found")
    expect(table.locator("tbody tr")).to_contain_text("I make not, but foresee.")
    with page.expect_download() as download:
        table.get_by_role("button", name="Export all found").click()
    (found,) = download.value.path().read_text(encoding="utf-8").splitlines()
    assert "I make not, but foresee." in found
    table.get_by_label("Search").fill("")
    table.get_by_label("Annotator").select_option("me")
    expect(table).to_contain_text("2 votes found")
    table.get_by_label("Annotator").select_option("")
    table.get_by_label("Kind").select_option("example")
    expect(table).to_contain_text("100 votes found")
    table.get_by_label("Kind").select_option("")
    table.get_by_role("button", name="Next").click()
    expect(table.get_by_label("Page", exact=True)).to_have_value("2")

    mixed = tmp_path / "<i>mixed.jsonl"
    mixed.write_text('{"prompt": "Who?", "chosen": "I.", "rejected": "Thou."}\n{"prompt": "Who?"}\n', encoding="utf-8")
    with page.expect_file_chooser() as chooser:
        page.locator("#votes-import").click()
    chooser.value.set_files(mixed)
    expect(table.locator(".pg-votes-said")).to_contain_text("1 preference was added, of 2 records")
    expect(table.locator(".pg-votes-said")).to_contain_text("Line 2: chosen and rejected missing")
    assert table.locator("i").count() == 0, "a file's name became markup"

    open_tab(page, "Let a rule vote")
    view, before = page.locator("#rule-view"), len(standing(workspace))
    expect(page.locator("#rule-stop")).to_be_disabled()
    choose(page, "rule-rule", "is shorter")
    page.locator("#rule-count input").fill("20")
    page.locator("#rule-start").click()
    expect(view).to_contain_text("20 of 20 votes given", timeout=120_000)
    votes = standing(workspace)[before:]
    assert [vote.annotator for vote in votes] == ["rule: shorter"] * 20
    assert all(prefer(RULES["shorter"], vote.chosen.text, vote.rejected.text) == "left" for vote in votes)

    page.locator("#rule-count input").fill("5000")
    page.locator("#rule-start").click()
    expect(page.locator("#rule-view .pg-rule")).to_have_attribute("data-running", "true")
    page.reload()
    open_tab(page, "Label")
    open_tab(page, "Let a rule vote")
    expect(view).to_contain_text("of 5,000 votes given", timeout=120_000)
    page.locator("#rule-stop").click()
    expect(view).to_contain_text("stopped after", timeout=120_000)
    assert before + 20 < len(standing(workspace)) < before + 5020


@pytest.mark.slow
def test_two_models_are_compared_blind_two_annotators_agree_and_prompts_are_ones_own(
    page: Page, url: str, workspace: Path, tmp_path: Path
) -> None:
    (workspace / "twin").mkdir()
    for path in (workspace / "talker").iterdir():
        if path.is_file():
            (workspace / "twin" / path.name).write_bytes(path.read_bytes())
    open_label(page, url)
    folded = page.locator("#label-choices")
    expect(folded).to_contain_text("talker · prompts from the plays · at random · change")
    unfold(page, "label-choices")
    choose(page, "label-mode", "compare two models")
    choose(page, "label-other", "twin")
    voting = page.locator("#label-vote")
    expect(voting.locator(".pg-vote-origin")).to_contain_text(
        "Two models; your vote reveals their names", timeout=60_000
    )
    assert "twin" not in voting.inner_text() and "talker" not in voting.inner_text()
    press(page, "1")
    vote = standing(workspace)[0]
    expect(voting).to_contain_text(f"A was {vote.pair.left.model}, B was {vote.pair.right.model}.")
    assert {vote.pair.left.model, vote.pair.right.model} == {"twin", "talker"}

    voting.locator(".pg-vote-name").fill("Ben")
    voting.locator(".pg-vote-name").press("Enter")
    choose(page, "label-order", "one that others have voted on")
    assert ready(page, other_than=None) and vote.pair.id
    page.wait_for_function(f"document.querySelector('{VOTING}').dataset.pair === '{vote.pair.id}'")
    page.wait_for_timeout(READ)
    page.keyboard.press("1")
    expect(voting).to_contain_text("There is no pair left on which others have voted and you have not.", timeout=30_000)
    open_tab(page, "Annotators")
    expect(page.locator("#label-annotators")).to_contain_text("Ben and me")

    prompt = voting.locator(".pg-vote-prompt")
    choose(page, "label-order", "at random")
    choose(page, "label-prompts", "typed by you")
    expect(prompt).to_contain_text("There is no prompt yet: type one a line", timeout=30_000)
    page.locator("#label-typed textarea").fill("What is <i>love</i>?")
    expect(prompt).to_have_text("What is <i>love</i>?", timeout=30_000)
    page.locator("#label-typed textarea").fill("long " * 300)
    expect(prompt).to_contain_text("The prompt is longer than the model's context", timeout=30_000)

    (tmp_path / "mine.txt").write_text("Who art thou?\n\nWhither away?\n", encoding="utf-8")
    with page.expect_file_chooser() as chooser:
        page.locator("#label-upload").click()
    chooser.value.set_files(tmp_path / "mine.txt")
    expect(prompt).to_contain_text(re.compile("Who art thou|Whither away"), timeout=30_000)
    expect(folded).to_contain_text("prompts from mine.txt")
    page.locator("#label-goal input").fill("3")
    expect(page.locator("#label-vote .pg-vote-progress")).to_contain_text("of 3 votes", timeout=30_000)


def vote_by_rule(page: Page, count: int) -> None:
    """So many votes as the rule "asks a question" gives them, of what stands on the page."""
    for _ in range(count):
        press(page, key_of_rule(page))


def key_of_rule(page: Page) -> str:
    ready(page)
    left, right = page.locator("#label-vote .pg-vote-text").all_inner_texts()
    return {"left": "1", "right": "2", "tie": "3"}[prefer(RULES["question"], left, right)]


def asking(directory: Path, prompts: list[str]) -> Rate:
    """How often the model there asks a question."""
    loaded = checkpoint.load(directory)
    answers = replies(loaded.model, loaded.tokenizer, prompts, Sampling(max_new_tokens=32))
    return rate(sum(map(RULES["question"].holds, answers)), len(answers))


@pytest.mark.slow
@pytest.mark.longest
def test_a_model_learns_what_a_rule_wants_from_forty_votes_of_which_one_was_given_while_the_server_was_dead(
    page: Page, workspace: Path, errors: list[str]
) -> None:
    make_small_chat(workspace / "small")
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    server = serve(port, workspace)
    try:
        open_when_served(page, f"{url}?model=small")
        open_tab(page, "Label")
        learning = page.locator("#label-learning")
        learning.get_by_label("Learn while you vote").check()
        expect(learning).to_contain_text("small answers as it is. It learns after 5 more votes.")
        vote_by_rule(page, 4)
        expect(learning).to_contain_text("It learns after 1 more vote.")
        pair, key = ready(page), key_of_rule(page)
        page.wait_for_timeout(READ)
        server.kill()
        server.wait()
        page.keyboard.press(key)
        expect(page.locator("#label-vote")).to_contain_text("Your vote is kept and sent again")
        assert len(standing(workspace)) == 4
        server = serve(port, workspace)
        wait_until_served(url)
        ready(page, other_than=pair)
        assert [str(vote.pair.id) for vote in standing(workspace)][4:] == [pair], "it was lost, or counted twice"

        version = learning.locator(".pg-learning")
        for number in range(1, 9):
            expect(version).to_have_attribute("data-version", str(number), timeout=300_000)
            vote_by_rule(page, 5 if number < 8 else 0)
        expect(learning).to_contain_text("Version 8 answers, KL")
        expect(learning.locator("svg circle")).to_have_count(8)
        expect(learning).to_contain_text("Preferred to the old one")
        while "version 8" not in page.locator("#label-vote .pg-vote-origin").inner_text():
            press(page, "0")  # until its pairs are ready, those of before are shown
        given = [vote for vote in standing(workspace) if vote.choice != "skip"]
        assert len(given) == 40 and {0, 1} < {
            side.version for vote in given for side in (vote.pair.left, vote.pair.right)
        }

        learning.get_by_label("Votes a round").fill("1")
        learning.get_by_label("Votes a round").press("Enter")
        expect(learning).to_contain_text("It learns after 1 more vote.")
        learning.get_by_role("button", name="Pause").click()
        expect(learning).to_contain_text("Version 8 answers, KL")
        expect(learning).to_contain_text("Paused: it learns no further.")
        vote_by_rule(page, 1)
        expect(learning.get_by_role("button", name="Go on")).to_be_visible()
        learning.get_by_role("button", name="Keep").click()
        expect(learning).to_contain_text("Kept as small-voted-1: it is among the models now.")
        card = checkpoint.read_card(workspace / "small-voted-1" / "card.json")
        assert (card.parent, card.data["votes"]) == ("small", 40), "it has learned on while it was paused"
        asked = 5 * [vote.pair.prompt for vote in given]
        before, after = (asking(workspace / name, asked) for name in ("small", "small-voted-1"))
        assert after.low > before.high, (before, after)

        learning.get_by_label("Version").select_option("3")
        expect(learning).to_contain_text("Version 3 answers, KL")
        expect(learning.locator("svg circle")).to_have_count(3)
        learning.get_by_label("Version").select_option("0")
        expect(learning).to_contain_text("small answers as it is.")
        votes = standing(workspace)
        learning.get_by_role("button", name="Forget").click()
        learning.get_by_role("button", name="Sure?").click()
        expect(learning.get_by_label("Learn while you vote")).not_to_be_checked()
        assert standing(workspace) == votes, "votes were touched"
        page.goto("about:blank")  # before its server goes
        errors.clear()  # the browser rightly complained about the dead server
    finally:
        server.kill()
        server.wait()
