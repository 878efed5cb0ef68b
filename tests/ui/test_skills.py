"""What a run has learned, on the page: announced while it trains, marked on its curve, listed, and a head cut out."""

from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Page, expect

from core.training.log_lines import append_line, read_lines
from tests.ui.runs import add_steps, write_run
from tests.ui.steps import choose_run, wait_for_points

RECORDED = Path(__file__).parents[1] / "core" / "skills" / "recorded" / "tiny.jsonl"
MARKS = "document.querySelector('#tab-train .pg-curves').data.find(({ name }) => name === 'learned')"


def test_a_skill_is_announced_and_marked_as_it_is_learned_and_a_heads_is_cut_out(
    page: Page, url: str, workspace: Path
) -> None:
    before, first, again = read_lines(RECORDED)[0][:3]
    run = write_run(workspace, "learns", 250, of=3000, state="running")
    for line in (before, first):
        append_line(run.details, line)
    part = page.locator("#tab-train .pg-skills")
    with run.hold("cpu"):
        page.goto(f"{url}?tab=train&run=learns")
        wait_for_points(page, "learns", 250)
        expect(part).to_contain_text("Nothing was seen to begin: it takes two evaluations in a row")
        append_line(run.details, again)
        add_steps(run, 251, 500)
        run.write_status(replace(run.status(), step=500))
        expect(part.get_by_role("status").first).to_have_text("Just learned: first real words (step 250).")
        page.wait_for_function(f"{MARKS}?.x[0] === 250")

    choose_run(page, "train", "bard-tiny")
    wait_for_points(page, "bard-tiny", 3000)
    expect(part.locator("li")).to_have_count(5)
    skill = part.get_by_role("button", name="induction: layer 2, head 4")
    skill.focus()
    page.wait_for_function(f"{MARKS}.marker.size[2] > {MARKS}.marker.size[0]")
    assert page.evaluate(f"{MARKS}.x") == [94, 375, 1500]
    assert "34 % of the way" in page.evaluate(f"{MARKS}.customdata[2]").replace("<br>", " ")
    skill.press("Enter")
    expect(part).to_contain_text("34 % of the way from looking at everything alike")
    part.get_by_role("button", name="Cut it out and see").press("Enter")
    expect(part).to_contain_text("64 blocks, 8,192 tokens, weights of step 3,000")
