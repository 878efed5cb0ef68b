"""The attention lab as a person goes through it; what it shows is compared with what `core` computes."""

import csv
import re
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect

from core import checkpoint
from core.checkpoint import Card, Checkpoint
from core.interpretability import activations
from core.interpretability.head_patterns import recognise
from tests.ui.steps import choose_model, open_page, open_tab

MINUS = "\N{MINUS SIGN}"
LINE = "ANTONIO:\nGood morrow, Bassanio <script>alert(1)</script>\nBASSANIO:\nGood morrow, Antonio"


@pytest.fixture(scope="module")
def bard() -> Checkpoint:
    return checkpoint.load(Path(__file__).parents[2] / "checkpoints" / "bard-base")


@pytest.fixture(scope="module")
def weights(bard: Checkpoint) -> torch.Tensor:
    return activations.attention(bard.model, bard.tokenizer.encode(LINE))


def look_at(page: Page, url: str, text: str) -> None:
    open_page(page, url)
    open_tab(page, "Attention")
    expect(page.locator(".pg-head").first).to_be_visible()
    type_text(page, text)


def type_text(page: Page, text: str) -> None:
    """Type, and wait until the tokens of the new text stand under the large picture."""
    page.locator("#attention-text textarea").fill(text)
    shown = text.replace("\n", "↵").replace(" ", "·")
    expect(page.locator(".pg-words .pg-token-row")).to_have_text(re.compile(f"^{re.escape(shown[:20])}"))


def number(text: str) -> float:
    return float(text.replace(MINUS, "-"))


def test_heads_are_named_sorted_and_looked_at_closely(
    page: Page, url: str, bard: Checkpoint, weights: torch.Tensor, tmp_path: Path
) -> None:
    look_at(page, url, LINE)
    found = recognise(weights, bard.tokenizer.encode(LINE))
    heads = page.locator("#attention-heads .pg-head")
    expect(heads).to_have_count(36)
    assert page.locator("#attention-heads script").count() == 0, "typed text became markup"
    title = page.locator('[data-head="0,5"]').first.get_attribute("title") or ""
    assert f"previous token {found.scores['previous'][0, 5]:.2f}" in title
    assert f"entropy {found.entropy[0, 5]:.2f} bits" in title

    page.get_by_label("Order").select_option("previous")
    best = int(found.scores["previous"].flatten().argmax())
    expect(heads.first).to_have_attribute("data-head", f"{best // 6},{best % 6}")
    page.get_by_label("Heads", exact=True).select_option("previous")
    expect(heads).to_have_count(sum(name == "previous" for row in found.names for name in row))
    page.get_by_label("Heads", exact=True).select_option("")
    page.get_by_label("Order").select_option("layer")

    heads.nth(5).click()
    words = page.locator(".pg-words")
    row = weights[0, 5, 9].tolist()
    strongest = max(range(10), key=lambda key: row[key])
    words.locator(".pg-token").nth(9).hover()
    expect(words.locator(".pg-note")).to_contain_text(f"{row[strongest]:.2f}")
    words.locator(".pg-token").nth(9).click()
    words.locator(".pg-token").nth(12).click()
    mean = (weights[0, 5, 9] + weights[0, 5, 12]) / 2
    expect(words.locator(".pg-note")).to_contain_text("The 2 chosen tokens look at")
    expect(words.locator(".pg-note")).to_contain_text(f"{float(mean.max()):.2f}")
    page.get_by_label("Large picture").select_option("layer")
    expect(page.locator(".pg-focus").first).to_contain_text("Layer 1, mean over its heads")
    page.get_by_label("Large picture").select_option("head")
    expect(page.locator(".pg-focus").first).to_contain_text("Layer 1, head 6")

    with page.expect_download() as saved:
        page.get_by_role("button", name="this head, CSV").click()
    saved.value.save_as(tmp_path / "head.csv")
    rows = list(csv.reader((tmp_path / "head.csv").open(encoding="utf-8", newline="")))
    assert [float(cell) for cell in rows[10][1:11]] == pytest.approx(row[:10], abs=1e-4)
    with page.expect_download() as saved:
        page.get_by_role("button", name="all heads, PNG").click()
    saved.value.save_as(tmp_path / "heads.png")
    assert (tmp_path / "heads.png").read_bytes().startswith(b"\x89PNG") and (
        tmp_path / "heads.png"
    ).stat().st_size > 5000


def test_a_saved_page_shows_the_same_heads_without_the_playground(
    page: Page, url: str, weights: torch.Tensor, tmp_path: Path
) -> None:
    look_at(page, url, LINE)
    with page.expect_download() as saved:
        page.get_by_role("button", name="a page of its own, HTML").click()
    saved.value.save_as(tmp_path / "page.html")
    content = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in content
    page.goto((tmp_path / "page.html").as_uri())
    expect(page.locator(".pg-head")).to_have_count(36)
    page.locator(".pg-head").nth(7).click()
    expect(page.locator(".pg-focus")).to_contain_text("Layer 2, head 2")
    page.locator(".pg-words .pg-token").nth(9).hover()
    expect(page.locator(".pg-words .pg-note")).to_contain_text(f"{float(weights[1, 1, 9].max()):.2f}")


def test_from_q_and_k_to_a_weight_with_the_numbers_of_the_forward_pass(page: Page, url: str, bard: Checkpoint) -> None:
    look_at(page, url, LINE)
    page.locator(".pg-head").nth(14).click()
    panel = page.locator(".pg-steps")
    panel.locator(".pg-token-row .pg-token").nth(8).click()
    expect(panel.locator("h3")).to_contain_text("in layer 3, head 3")
    expect(panel.locator(".pg-token-row .pg-token").nth(8)).to_have_attribute("aria-pressed", "true")
    ids = bard.tokenizer.encode(LINE)
    steps = activations.steps(bard.model, activations.trace(bard.model, ids), 2, 2, 8)
    cells = panel.locator("tr").nth(1 + 4).locator("td").all_inner_texts()
    shown = [number(cell) for cell in cells[1:5]]
    expected = [float(values[4]) for values in (steps.raw, steps.scaled, steps.masked, steps.weights)]
    assert shown == pytest.approx(expected, abs=2e-3)
    assert panel.locator("tr").nth(1 + 9).locator("td").nth(3).inner_text() == f"{MINUS}∞"  # the future
    panel.locator("tr").nth(1 + 4).locator("button").click()
    expect(panel.locator(".pg-strip-total").first).to_contain_text(f"sum = {cells[1]}")
    assert len(panel.locator(".pg-cells").first.locator("span").all()) == 48


def test_without_scaling_one_token_takes_all_and_the_gradient_fades(page: Page, url: str) -> None:
    look_at(page, url, LINE)
    page.locator(".pg-head").nth(13).click()
    open_tab(page, "Why √d_k")
    lab = page.locator(".pg-lab")
    values = lab.locator(".pg-counts dd")
    expect(values).to_have_count(5)
    expect(lab.locator(".js-plotly-plot")).to_have_count(2)

    def at(place: str, factor: str) -> list[float]:
        lab.get_by_role("button", name=place, exact=True).click()
        expect(lab.locator(".pg-said-scale")).to_contain_text(f"multiplied by {factor}")
        return [float(text.split()[0]) for text in values.all_inner_texts()]

    usual = at("÷ √d_k, as in every GPT", "0.144")
    none = at("no scaling", "1.00")
    much = at("too much", "0.00301")
    spread, entropy, largest, gradient, _ = range(5)
    assert none[spread] == pytest.approx(usual[spread] * 48**0.5, rel=0.02)
    assert none[largest] > usual[largest] > much[largest]
    assert none[entropy] < usual[entropy] < much[entropy]
    assert none[gradient] < usual[gradient]


def test_switching_a_head_off_changes_the_loss_by_what_the_map_says(page: Page, url: str) -> None:
    look_at(page, url, LINE)
    open_tab(page, "Switch heads off")
    panel = page.locator(".pg-switch-off")
    panel.get_by_role("button", name="Measure every head").click()
    expect(panel.locator("[role=status]")).to_contain_text("Most missed: layer")
    strongest = re.search(r"layer (\d), head (\d) \(\+([\d.]+)\)", panel.locator("[role=status]").inner_text())
    assert strongest is not None
    layer, head, change = strongest.groups()
    panel.locator(f'.pg-cell[data-head="{int(layer) - 1},{int(head) - 1}"]').click()
    expect(panel.locator(".pg-loss")).to_contain_text(f"(+{change})")
    expect(panel.locator("tr").nth(1)).to_be_visible()
    panel.get_by_role("button", name="All on again").click()
    expect(panel.locator(".pg-loss")).to_contain_text("+0.000")


def test_the_logit_lens_ends_with_what_the_model_says(page: Page, url: str, bard: Checkpoint) -> None:
    look_at(page, url, LINE)
    open_tab(page, "Logit lens")
    rows = page.locator(".pg-lens-table tr")
    expect(rows).to_have_count(8)  # six layers, the embedding, the text
    ids = bard.tokenizer.encode(LINE)
    logits, _ = bard.model(torch.tensor([ids]))
    said = bard.tokenizer.decode([int(logits[0, 3].argmax())]).replace("\n", "↵").replace(" ", "·")
    expect(rows.first.locator("td").nth(3)).to_have_text(said)


def test_two_models_are_laid_over_each_other(page: Page, url: str, workspace: Path, bard: Checkpoint) -> None:
    other = checkpoint.load(workspace / "bard-base")
    with torch.no_grad():
        other.model.blocks[2].attn.c_attn.weight.mul_(1.5)
    checkpoint.save(workspace / "changed", other.model, other.tokenizer, Card(parent="bard-base"))
    look_at(page, url, LINE)
    page.locator(".pg-head").nth(14).click()
    open_tab(page, "Two models")
    page.get_by_label("Compare with").select_option("changed")
    panel = page.locator(".pg-compare")
    expect(panel.locator(".pg-heads")).to_have_count(3)
    ids = bard.tokenizer.encode(LINE)
    loss = float(activations.losses(other.model, activations.trace(other.model, ids)).mean())
    expect(panel.locator(".pg-counts")).to_contain_text(f"{loss:.3f}")
    expect(panel.locator(".pg-focus")).to_contain_text("Layer 3, head 3: changed minus bard-base")


def test_the_time_lapse_of_the_shipped_run_moves_the_heads_with_the_loss(page: Page, url: str) -> None:
    look_at(page, url, LINE)
    open_tab(page, "Time-lapse")
    panel = page.locator(".pg-timelapse")
    expect(panel).to_contain_text("bard-base kept no snapshots, so this is bard-tiny")
    expect(panel.locator("[role=status]")).to_contain_text("Drag the slider", timeout=60_000)
    last = panel.locator("h3").inner_text()
    panel.locator("#timelapse-step").fill("0")
    expect(panel.locator("h3")).to_contain_text("bard-tiny, after step 0")
    first = panel.locator("h3").inner_text()
    loss = [float(re.search(r"text ([\d.]+)", text).group(1)) for text in (first, last)]  # type: ignore[union-attr]
    assert loss[0] > loss[1] + 0.5
    panel.get_by_role("button", name="Play").click()
    expect(panel.locator("h3")).to_have_text(last, timeout=30_000)


@pytest.mark.slow
@pytest.mark.longest
def test_the_same_model_is_trained_with_and_without_the_square_root(page: Page, url: str) -> None:
    open_page(page, url)
    open_tab(page, "Attention")
    open_tab(page, "Why √d_k")
    page.locator("#experiment-start").click()
    panel = page.locator(".pg-experiment")
    expect(panel.locator("[role=status]")).to_contain_text(
        "unscaled-1: waits: the cpu is held by scaled-1", timeout=30_000
    )
    page.reload()
    open_tab(page, "Attention")
    open_tab(page, "Why √d_k")
    expect(panel).to_have_attribute("data-points", "300,300", timeout=240_000)
    expect(panel.locator("[role=status]")).to_contain_text(re.compile(r"unscaled-1: finished.*loss [\d.]+"))


def test_what_cannot_be_shown_is_explained_in_every_panel(page: Page, url: str) -> None:
    look_at(page, url, "A")
    expect(page.locator(".pg-attention .pg-note").nth(1)).to_contain_text("1 tokens")
    open_tab(page, "Why √d_k")
    expect(page.locator(".pg-lab")).to_contain_text("A single token can only look at itself: give two tokens at least.")
    open_tab(page, "Switch heads off")
    page.get_by_role("button", name="Measure every head").click()
    expect(page.locator(".pg-switch-off")).to_contain_text("A loss needs two tokens at least")
    open_tab(page, "Logit lens")
    expect(page.locator(".pg-lens-table tr")).to_have_count(8)

    type_text(page, LINE)
    open_tab(page, "Two models")
    page.get_by_label("Compare with").select_option("bard-tiny")
    expect(page.locator(".pg-compare")).to_contain_text("have different vocabularies")

    choose_model(page, "bard-tiny")
    type_text(page, "Speak, good friend. " * 60)
    expect(page.locator(".pg-attention")).to_contain_text(re.compile(r"Only the first 128 tokens are shown, of \d+"))
