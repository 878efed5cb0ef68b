"""The Models tab: what there is, where it comes from, what it is called, and who is best."""

import json
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from core import checkpoint
from core.evaluation import report_card
from core.preferences.vote_store import Votes
from playground.services.labelling import pair_source
from tests.ui.steps import choose, open_page, open_tab
from tests.ui.test_label import READ

HOSTILE = "<img src=x onerror=alert(1)>"


def open_models(page: Page, url: str) -> None:
    open_page(page, url)
    open_tab(page, "Models")
    expect(page.locator(".pg-model-card").first).to_be_visible(timeout=30_000)


def pick(page: Page, name: str) -> None:
    page.locator(".pg-model-card").filter(has=page.get_by_text(name, exact=True)).press("Enter")
    expect(page.locator(".pg-shelf .pg-details h3").first).to_have_text(name)


def press(page: Page, name: str) -> None:
    page.locator(".pg-shelf").get_by_role("button", name=name, exact=True).press("Enter")


def test_a_model_is_found_compared_measured_renamed_and_deleted(
    page: Page, url: str, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = workspace / "bard-tiny" / "card.json"
    changed = {"parent": HOSTILE, "data": {"corpus": HOSTILE}, "measured": []}
    card.write_text(json.dumps(json.loads(card.read_text()) | changed))
    (workspace / "broken").mkdir()
    (workspace / "broken" / "config.json").write_text("{")
    seen, measure = threading.Event(), report_card.bits_per_byte  # it ends when the page has shown that it goes on
    monkeypatch.setattr(report_card, "bits_per_byte", lambda *given: seen.wait(60) and measure(*given))
    monkeypatch.setattr(report_card, "copied", lambda *_: {"copied/1": 0.25, "n/texts": 120})
    open_models(page, url)
    details, said = page.locator(".pg-shelf .pg-details"), page.locator(".pg-shelf .pg-message")
    expect(details.locator("h3").first).to_have_text("bard-base")  # the header's
    expect(page.locator(".pg-model-card")).to_have_count(5)
    expect(page.locator(".pg-model-card").last).to_contain_text("broken")
    expect(page.locator(".pg-model-card").last).to_contain_text("missing")
    page.get_by_label("Find a name").fill("CHAT")
    expect(page.locator(".pg-model-card")).to_have_count(1)

    pick(page, "bard-chat")
    expect(details).to_contain_text("instructions followed: question")
    expect(details.locator(".js-plotly-plot")).to_be_visible()
    details.get_by_label("What differs from").select_option("bard-base")
    expect(details.locator(".pg-differences")).to_contain_text("pretrain")
    press(page, "Use in every tab")
    expect(page.locator("#model-picker input")).to_have_value("bard-chat")
    press(page, "Family tree")
    expect(page.locator(".pg-family-node", has_text=HOSTILE)).to_be_disabled()
    assert page.locator(".pg-shelf img").count() == 0, "a card's text became markup"
    page.locator(".pg-family-node", has_text="bard-tiny").press("Enter")
    expect(details.locator("h3").first).to_have_text("bard-tiny")

    press(page, "Measure")
    expect(details).to_contain_text("bard-tiny: measuring bits per byte on held-out plays")
    page.reload()
    open_tab(page, "Models")
    expect(details.locator("h3").first).to_have_text("bard-chat")  # which the address names
    pick(page, "bard-tiny")
    expect(details).to_contain_text("bard-tiny: measuring bits per byte on held-out plays")
    press(page, "Delete (to trash)")
    expect(said).to_have_text("bard-tiny cannot be moved while it is being measured: stop that first, or wait.")
    seen.set()
    expect(details).to_contain_text("bard-tiny: 3 figures measured", timeout=120_000)
    expect(details).to_contain_text("tokens copied from its training text, at temperature 1")
    assert checkpoint.read_card(workspace / "bard-tiny" / "card.json").measured

    pick(page, "bard-base")
    expect(said).to_be_empty()
    press(page, "Use in every tab")
    expect(page.locator("#model-picker input")).to_have_value("bard-base")
    press(page, "Rename")
    name = page.get_by_label("New name")
    name.fill("../elsewhere")
    name.press("Enter")
    expect(said).to_contain_text("cannot be the name of a run")
    name.fill("base")
    name.press("Enter")
    expect(said).to_have_text("bard-base is called base now.")
    assert checkpoint.read_card(workspace / "bard-sft" / "card.json").parent == "base"
    expect(page.locator("#model-picker input")).to_have_value("base")

    press(page, "Delete (to trash)")
    expect(page.locator(".pg-model-card", has_text="base")).to_have_count(0)
    expect(said).to_contain_text("base is in the trash")
    expect(page.locator("#model-picker input")).not_to_have_value("base")
    page.locator(".pg-trash summary").press("Enter")
    press(page, "Restore base")
    expect(page.locator(".pg-disk")).to_contain_text("base is back.")
    press(page, "Delete (to trash)")
    expect(said).to_contain_text("base is in the trash")
    press(page, "Empty the trash")
    press(page, "Delete 1 for good? Press again")
    expect(page.locator(".pg-disk")).to_contain_text("freed.")
    assert not (workspace / ".trash").exists()


def test_a_blind_vote_ranks_two_models_and_a_model_goes_in_and_out(
    page: Page, url: str, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair_source, "DIAL", (0.25, 0.5))
    loaded = checkpoint.load(workspace / "bard-chat")
    card = replace(loaded.card, shipped=False, parent="bard-chat", data={})
    checkpoint.save(workspace / "other", loaded.model, loaded.tokenizer, card)
    open_models(page, url)
    open_tab(page, "Ranking")
    expect(page.locator("#arena-one input")).to_have_value("Any two, drawn at random")
    prompt = page.locator("#arena-prompt input, #arena-prompt textarea")
    prompt.fill("Who stole my purse?")
    prompt.press("Enter")
    expect(page.locator("#arena-vote .pg-vote-prompt")).to_have_text("Who stole my purse?", timeout=60_000)
    vote = page.locator("#arena-vote .pg-voting[data-state=ready]")
    expect(vote).to_be_visible(timeout=60_000)
    expect(page.locator("#arena-vote")).to_contain_text("Two models; your vote reveals their names")
    page.wait_for_timeout(READ)
    page.keyboard.press("1")
    expect(page.locator(".pg-arena")).to_contain_text("1 vote", timeout=30_000)
    (cast,) = Votes(workspace / "preferences.db").standing(source="arena")
    assert cast.pair.left.model != cast.pair.right.model and cast.pair.prompt == "Who stole my purse?"
    won = page.locator(".pg-arena-matrix tr", has_text=cast.chosen.model).nth(1)
    expect(won.locator("td").last).to_have_text("1")
    expect(page.locator(".pg-arena .pg-habit-name").first).to_contain_text(cast.chosen.model)
    points_of_a_dial_meet_blind(page, workspace)

    open_tab(page, "Import and export")
    page.locator("#models-import").click()
    expect(page.locator("#models-import-said")).to_contain_text("The source is empty")
    tiny = str(workspace / "bard-tiny")
    for source, outcome in (("/nowhere", "/nowhere is neither a path here"), (tiny, "imported")):
        page.locator("#models-source input").fill(source)
        page.locator("#models-name input").fill("brought")
        page.locator("#models-import").click()
        expect(page.locator("#models-import-view")).to_contain_text(outcome)
        expect(page.locator("#models-import-said")).to_have_text("")
    choose(page, "models-zip", "bard-tiny")
    page.locator("#models-make-zip").click()
    with page.expect_download() as saved:
        page.locator("#models-zip-file a").first.click()
    with zipfile.ZipFile(saved.value.path()) as archive:
        assert "bard-tiny/model.safetensors" in archive.namelist()
    open_tab(page, "All models")
    expect(page.locator(".pg-model-card", has_text="brought")).to_be_visible(timeout=30_000)


def points_of_a_dial_meet_blind(page: Page, workspace: Path) -> None:
    choose(page, "arena-one", "bard-chat")
    expect(page.locator("#arena-other")).to_be_visible()
    choose(page, "arena-one", "other")
    page.wait_for_timeout(1000)
    asked: list[Route] = []
    page.route("**/queue/join*", lambda route: asked.append(route))
    choose(page, "arena-other", "Its own dial")
    assert asked, "which models there are"
    for route in asked:  # an answer that comes after the choice does not undo it
        route.continue_()
    page.unroute("**/queue/join*")
    page.wait_for_timeout(1000)
    expect(page.locator("#arena-other input")).to_have_value("Its own dial")
    arena, votes = page.locator("#arena-vote"), Votes(workspace / "preferences.db")
    shown = arena.locator(".pg-voting[data-state=ready][data-pair]")
    for _ in range(600):
        pair = votes.pair(int(shown.get_attribute("data-pair", timeout=60_000) or 0))
        if pair.left.dial != 1:
            break
        page.wait_for_timeout(100)
    expect(arena).to_contain_text("Two models; your vote reveals their names")
    page.wait_for_timeout(READ)
    page.keyboard.press("1")
    expect(page.locator(".pg-arena")).to_contain_text("other (dial 0.25)", timeout=30_000)
    cast = votes.standing(source="arena")[-1]
    assert {cast.chosen.writer, cast.rejected.writer} == {"other (dial 0.25)", "other (dial 0.5)"}
    expect(arena).to_contain_text(f"A was {cast.pair.left.writer}, B was {cast.pair.right.writer}.")
