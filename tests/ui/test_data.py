"""Data as people have it: given to the page, looked at, and only then trained on."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.ui.steps import choose, open_tab

SPAM = "".join(f"ham\tSee you at {n}, ok?\n" for n in range(40)) + "".join(f"spam\tWIN {n} now!\n" for n in range(12))
SHARED = [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "What hour?"}]


def turns(*said: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(said)]


def give(page: Page, stage: str, path: Path, content: str) -> Locator:
    """Upload a file to the form of a stage; returns what is said of it there."""
    path.write_text(content, encoding="utf-8")
    page.locator(f"#{stage}-see").get_by_role("button", name="What the model will see").click()
    with page.expect_file_chooser() as chooser:
        page.locator(f"#{stage}-upload").click()
    chooser.value.set_files(path)
    expect(page.locator(f"#{stage}-data input").first).to_have_value(re.compile(re.escape(path.name)), timeout=30_000)
    return page.locator(f"#{stage}-preview")


def choose_slowly(page: Page, elem_id: str, option: str) -> None:
    """The server is asked which choices there are as the list opens; its answer comes while one of them is pressed."""
    asked: list[Route] = []
    page.route("**/component_server/**", lambda route: asked.append(route))
    page.locator(f"#{elem_id} input").click()
    page.locator(f'#{elem_id} li[aria-label="{option}"]').hover()
    page.mouse.down()
    assert asked
    for route in asked:
        with page.expect_response(route.request.url):
            route.continue_()
    page.unroute("**/component_server/**")
    page.wait_for_timeout(500)
    page.mouse.up()
    expect(page.locator(f"#{elem_id} ul")).to_be_hidden()
    expect(page.locator(f"#{elem_id} input")).to_have_value(option)


@pytest.mark.slow
def test_files_of_ones_own_are_looked_at_before_they_are_trained_on(page: Page, url: str, tmp_path: Path) -> None:
    page.goto(f"{url}?tab=train&part=classify")
    choose(page, "classify-parent", "bard-tiny")
    seen = give(page, "classify", tmp_path / "SMSSpamCollection", SPAM)
    choose_slowly(page, "classify-text_column", "2")
    choose(page, "classify-label_column", "1")
    expect(seen).to_contain_text("'2' holds the text, '1' the label (tab-separated)", timeout=60_000)
    expect(seen).to_contain_text("52 of 52")
    expect(seen.locator(".pg-seen").last).to_contain_text("WIN")

    open_tab(page, "Instructions")
    talks = [json.dumps({"conversations": [*SHARED, {"from": "gpt", "value": f"It is {n}."}]}) for n in range(8)]
    seen = give(page, "sft", tmp_path / "sharegpt.jsonl", "\n".join([*talks, '{"conversations": []}']))
    expect(seen).to_contain_text("line 9", timeout=60_000)
    page.locator("#tabs").get_by_role("button", name="More settings").and_(page.locator(":visible")).click()
    page.locator("#sft-skip_bad_lines input").check()
    expect(seen).to_contain_text("ShareGPT (JSON lines)", timeout=60_000)
    expect(seen).to_contain_text("8 of 9")
    expect(seen.locator(".pg-seen").first).to_contain_text("Be brief.")

    open_tab(page, "Align")
    open_tab(page, "DPO")
    prompts = [turns(f"Hm {n}?", "Yes?", "What hour?") for n in range(8)]
    pairs = [{"prompt": prompt, "chosen": "It is one.", "rejected": "No."} for prompt in prompts]
    seen = give(page, "dpo", tmp_path / "pairs.json", json.dumps(pairs, indent=2))
    expect(seen).to_contain_text("TRL (JSON list)", timeout=60_000)
    first = seen.locator(".pg-seen").first
    expect(first).to_contain_text("Hm")
    read = first.locator(".pg-chip.pg-unlearned").all_text_contents()
    assert "What hour?" in "".join(read).replace("·", " ")  # all that was said before is read, and only read
