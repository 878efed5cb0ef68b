"""The Train tab: fine-tunings on data of one's own, what is tried before, the doctor, and forks."""

import json
import math
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.training.run_directory import Run
from tests.ui.runs import write_run
from tests.ui.steps import choose, open_tab, wait_for_points, wait_for_state

TALK = [("What is the hour?", "Twelve."), ("Who art thou?", "A friend 🙂."), ("Whither wilt thou?", "To Rome.")] * 8


def open_stage(page: Page, url: str, title: str, **settings: str) -> None:
    page.goto(f"{url}?tab=train")
    open_tab(page, title)
    for elem_id, value in settings.items():
        fill(page, elem_id.replace("__", "-"), value)


def fill(page: Page, elem_id: str, value: str) -> None:
    page.locator(f"#{elem_id} input, #{elem_id} textarea").first.fill(value)


def use_file(page: Page, prefix: str, path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8")
    with page.expect_file_chooser() as chooser:
        page.locator(f"#{prefix}-upload").click()
    chooser.value.set_files(path)
    expect(page.locator(f"#{prefix}-data input").first).to_have_value(re.compile(re.escape(path.name)), timeout=30_000)


@pytest.mark.slow
def test_fine_tuning_on_conversations_of_ones_own(page: Page, url: str, workspace: Path, tmp_path: Path) -> None:
    open_stage(page, url, "Instructions")
    choose(page, "sft-parent", "bard-tiny")
    page.locator("#sft-see").get_by_role("button", name="What the model will see").click()
    preview = page.locator("#sft-preview")
    expect(preview).to_contain_text("Only the answers count in the loss", timeout=60_000)
    assert preview.locator(".pg-chip:not(.pg-unlearned)").count() > 5

    lines = [json.dumps({"messages": [said("user", a), said("assistant", b)]}) for a, b in TALK]
    lines[1] = json.dumps({"messages": [said("user", "Well?"), said("assistant", " ")]})
    use_file(page, "sft", tmp_path / "talk.jsonl", "\n".join(lines))
    expect(preview).to_contain_text("talk.jsonl, line 2: the answer is empty; correct it, or switch skip_bad_lines on")
    page.locator("#tabs").get_by_role("button", name="More settings").and_(page.locator(":visible")).click()
    page.locator("#sft-skip_bad_lines input").check()
    expect(preview).to_contain_text("line 2: the answer is empty")
    expect(preview.locator(".pg-seen").first).to_contain_text("<|assistant|>")

    choose(page, "sft-method", "lora")
    fill(page, "sft-name", "talker")
    fill(page, "sft-max_steps", "60")
    fill(page, "sft-warmup_steps", "5")
    fill(page, "sft-learning_rate", "0.01")
    fill(page, "sft-eval_interval", "30")
    fill(page, "sft-sample_prompt", "What is the hour?")
    page.locator("#sft-start").click()
    wait_for_state(page, "talker", "finished", seconds=180)
    expect(page.locator(".pg-sample").first).to_contain_text("What is the hour?")
    choose(page, "model-picker", "talker")
    assert json.loads((workspace / "talker" / "card.json").read_text())["parent"] == "bard-tiny"


def said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


@pytest.mark.slow
def test_a_classifier_of_ones_own_texts_is_trained_and_tried(page: Page, url: str, tmp_path: Path) -> None:
    open_stage(page, url, "Classify")
    choose(page, "classify-parent", "bard-tiny")
    page.locator("#classify-see").get_by_role("button", name="What the model will see").click()
    rows = [f"O happy day number {i},joy\nAlas the heavy night {i},sorrow" for i in range(40)]
    use_file(page, "classify", tmp_path / "moods.csv", "text,label\n" + "\n".join(rows))
    expect(page.locator("#classify-preview")).to_contain_text("The class is read at the last token")
    expect(page.locator("#classify-preview .pg-seen").first).to_contain_text("Class: joy")

    choose(page, "classify-train_what", "head")
    expect(page.locator("#classify-learning_rate input")).to_have_value("0.01")
    fill(page, "classify-name", "moods")
    fill(page, "classify-max_steps", "40")
    page.locator("#classify-start").click()
    wait_for_state(page, "moods", "finished", seconds=180)
    expect(page.locator(".pg-more-tools")).to_contain_text("accuracy")

    page.reload()
    open_tab(page, "Train")
    open_tab(page, "Classify")
    fill(page, "try-text", "Alas the heavy night")
    expect(page.locator("#try-view tr").first).to_contain_text("sorrow")
    fill(page, "try-text", "")
    expect(page.locator("#try-view")).to_contain_text("Type a few words to see their class.")


def test_the_doctor_says_what_is_wrong_and_forks_with_the_change(page: Page, url: str, workspace: Path) -> None:
    small = dict(n_layer=1, n_head=1, n_embd=16, vocab_size=265, corpus=str(workspace / "text.txt"), eval_interval=50)
    (workspace / "text.txt").write_text("All the world's a stage. " * 200, encoding="utf-8")
    run = write_run(workspace, "hasty", 300, max_steps=300, **small)
    diverge(run)
    page.goto(f"{url}?tab=train&run=hasty")
    finding = page.locator(".pg-finding").first
    finding.get_by_role("button", name="Start again with learning_rate").click()
    wait_for_points(page, "hasty-fork-1", 5)
    forked = Run(workspace / "hasty-fork-1").read()[1]
    assert forked["learning_rate"] < run.read()[1]["learning_rate"]
    wait_for_state(page, "hasty-fork-1", "finished")
    expect(page.locator(".pg-doctor")).not_to_contain_text("too high")  # what is said now is said of the fork


def diverge(run: Run) -> None:
    """As if the steps had been too large: the loss rises for good."""
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    for line in lines[60:]:
        rise = 4 * (1 - math.exp(-(line["step"] - 60) / 30))
        line["loss/train"] += rise
        line |= {"loss/val": line["loss/val"] + rise} if "loss/val" in line else {}
        line["grad_norm"] *= 6
    run.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.slow
def test_a_rate_is_found_a_proof_given_and_a_run_forked_where_it_was_saved(
    page: Page, url: str, workspace: Path, short_corpus: Path
) -> None:
    open_stage(page, url, "Pre-train")
    choose(page, "train-preset", "tiny · 0.1M")
    fill(page, "setting-corpus", str(short_corpus))
    page.locator("#setting-corpus input").press("Enter")
    page.locator("#tabs").get_by_role("button", name="More settings").and_(page.locator(":visible")).click()
    for name, value in {"n_embd": "16", "block_size": "32"}.items():
        fill(page, f"setting-{name}", value)
    expect(page.locator("#train-plan")).to_contain_text("Fits")
    fill(page, "setting-batch_size", "1000000")
    expect(page.locator("#train-plan")).to_contain_text("Does not fit")
    page.locator("#train-start").click()
    question = page.locator("#train-form .pg-start-said")
    expect(question).to_contain_text("This will not fit: it needs")
    question.get_by_role("button", name="Cancel").click()
    assert not list(workspace.glob("tiny-*")), "it was only asked"
    fill(page, "setting-batch_size", "16")
    choose(page, "train-hardware", "8 GB")
    expect(page.locator("#setting-micro_batch_size input")).to_have_value("16")
    page.locator("#pretrain-range").click()
    use = page.locator("#lab-view").get_by_role("button", name="Use this rate")
    expect(use).to_be_visible(timeout=120_000)
    before = page.locator("#setting-learning_rate input").input_value()
    use.click()
    expect(page.locator("#setting-learning_rate input")).not_to_have_value(before)
    page.locator("#pretrain-proof").click()
    expect(page.locator("#lab-view")).to_contain_text("the two are the same gradient", timeout=180_000)
    expect(page.locator("#lab-view tr")).to_have_count(1 + 4)  # embedding, two blocks, final norm

    fill(page, "train-name", "first")
    fill(page, "setting-max_steps", "60")
    fill(page, "setting-save_interval", "20")
    page.get_by_role("button", name="Command line").and_(page.locator(":visible")).first.click()
    expect(page.locator("#train-command code")).to_contain_text("pretrain")
    expect(page.locator("#train-command code")).to_contain_text("--preset tiny")
    expect(page.locator("#train-command code")).to_contain_text("--max-steps 60")
    page.locator("#train-start").click()
    wait_for_state(page, "first", "finished")
    choose(page, "train-begin", "first, step 40")
    expect(page.locator("#train-name input")).to_have_value("first-fork-1")
    fill(page, "setting-max_steps", "80")
    page.locator("#train-start").click()
    wait_for_state(page, "first-fork-1", "finished")
    wait_for_points(page, "first-fork-1", 80)
