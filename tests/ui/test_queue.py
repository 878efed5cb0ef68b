"""The queue on the page: a reward model and PPO are set up in one go, and both are trained with the page closed."""

import shutil
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core import checkpoint
from core.__main__ import main
from core.datasets.preference_files import Preference
from core.preferences.vote_store import FILE, Votes
from core.training.run_directory import Run, Status
from tests.helpers.small_chat import make_talker
from tests.ui.steps import choose, open_tab, wait_for_state

VIEW = "#align-view .pg-run"
SECONDS = 240


@pytest.fixture
def workspace(tmp_path: Path, tokenizer) -> Path:
    """A tiny model that answers, thirty votes, and the shipped model with which the page opens."""
    directory = tmp_path / "checkpoints"
    shutil.copytree(Path(__file__).parents[2] / "checkpoints" / "bard-tiny", directory / "bard-tiny")
    make_talker(directory / "talker", tokenizer)
    pairs = [Preference(f"Who goes there, number {n}?", "A friend?", "Nobody.") for n in range(30)]
    Votes(directory / FILE).import_preferences(pairs, "you")
    return directory


def set_number(page: Page, elem_id: str, value: int) -> None:
    page.locator(f"#{elem_id} input").fill(str(value))


def wait_until_finished(run: Run) -> None:
    deadline = time.monotonic() + SECONDS
    while (status := run.status()).state != "finished":
        assert status.state != "failed" and time.monotonic() < deadline, (status.state, status.message)
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.longest
def test_a_queue_of_reward_model_and_ppo_runs_to_its_end_with_the_page_closed(
    page: Page, url: str, workspace: Path
) -> None:
    before = Run.create(workspace / "before", "pretrain", {})
    with before.hold("cpu"):
        before.write_status(Status("running", device="cpu"))
        page.goto(f"{url}?tab=align&part=reward model")
        choose(page, "reward-parent", "talker")
        set_number(page, "reward-max_steps", 20)
        page.locator("#reward-start").click()
        wait_for_state(page, "reward-1", "queued", view=VIEW)

        open_tab(page, "PPO")
        choose(page, "ppo-parent", "talker")
        expect(page.locator("#ppo-reward_model input").first).to_have_value("reward-1 (queued)")
        set_number(page, "ppo-max_steps", 8)
        page.locator("#ppo-start").click()
        wait_for_state(page, "ppo-1", "queued", view=VIEW)
        waits = page.locator("#align-queue li")
        expect(waits.nth(0)).to_contain_text("reward-1 · the cpu is held by before")
        expect(waits.nth(1)).to_contain_text("ppo-1 · after reward-1, whose model it needs")
        expect(page.locator(".pg-header-badge")).to_contain_text("2 waiting")
        running = page.locator(".pg-header-badge").get_by_role("button")
        expect(running).to_contain_text("before")
        running.press("Enter")  # leads to it
        expect(page.locator("#train-view .pg-run")).to_have_attribute("data-run", "before")
        open_tab(page, "Align")
        page.get_by_role("button", name="Move ppo-1 up").press("Enter")
        expect(waits.nth(0)).to_contain_text("ppo-1 · after reward-1")
        expect(page.get_by_role("button", name="Move ppo-1 down")).to_be_focused()
        page.goto("about:blank")
    before.write_status(Status("finished", device="cpu"))
    assert main(["queue", "list", "--directory", str(workspace)]) == 0  # begins the one, whose end begins the other
    for name in ("reward-1", "ppo-1"):
        wait_until_finished(Run(workspace / name))
    assert checkpoint.is_reward_model(workspace / "reward-1")
    assert checkpoint.read_card(workspace / "ppo-1" / "card.json").data["reward_model"] == "reward-1"
