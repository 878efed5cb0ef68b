"""The attention lab as a person goes through it; what it shows is compared with what `core` computes."""

import csv
import re
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from core import checkpoint
from core.checkpoint import Card, Checkpoint
from core.datasets.shakespeare import Corpus
from core.generate import Sampling, batch
from core.interpretability import activations, neurons
from core.interpretability.attribution import attribute
from core.interpretability.head_patterns import recognise, sharpest
from core.interpretability.neurons import text_blocks, top_places
from core.interpretability.patching import PATCHES, make_pair
from playground.tabs.attention import EXAMPLE, neuron_search, scaling
from playground.tabs.attention.patching import EXAMPLES, works
from playground.ui.text import visible_spaces
from tests.ui.steps import choose_model, open_page, open_tab

MOST_WORDS = 40  # whose lines are drawn
MINUS = "\N{MINUS SIGN}"
LINE = "ANTONIO:\nGood morrow, Bassanio <script>alert(1)</script>\nBASSANIO:\nGood morrow, Antonio"


@pytest.fixture(scope="module")
def bard() -> Checkpoint:
    return checkpoint.load(Path(__file__).parents[2] / "checkpoints" / "bard-base")


@pytest.fixture(scope="module")
def weights(bard: Checkpoint) -> torch.Tensor:
    return activations.attention(bard.model, bard.tokenizer.encode(LINE))


def open_attention(page: Page, url: str) -> None:
    open_page(page, url)
    open_tab(page, "Attention")
    expect(page.locator(".pg-head-view .pg-token-row")).to_be_visible()


def type_text(page: Page, text: str) -> None:
    """Type, and wait until the tokens of the new text stand under the large picture."""
    page.locator("#attention-text textarea").fill(text)
    shown = text.replace("\n", "↵").replace(" ", "·")
    expect(page.locator(".pg-head-view .pg-token-row")).to_have_text(re.compile(f"^{re.escape(shown[:20])}"))


def head(page: Page, layer: int, head: int) -> Locator:
    """A head of the grid, both numbers from 0."""
    return page.locator(f'#attention-heads [data-head="{layer},{head}"]')


def number(text: str) -> float:
    return float(text.replace(MINUS, "-"))


def test_heads_are_found_looked_at_closely_and_saved(
    page: Page, url: str, bard: Checkpoint, weights: torch.Tensor, tmp_path: Path
) -> None:
    open_attention(page, url)
    ids = bard.tokenizer.encode(EXAMPLE)
    seen = activations.trace(bard.model, ids)
    layer, best = sharpest(recognise(activations.attention_of(bard.model, seen), ids))
    expect(head(page, layer, best)).to_have_attribute("aria-pressed", "true")
    likely = activations.next_token(bard.model, seen)
    guess = bard.tokenizer.decode([int(likely.argmax())]).replace(" ", "·")
    expect(page.locator(".pg-guess").first).to_have_text(f"{guess} {100 * float(likely.max()):.1f} %")

    type_text(page, LINE)
    found = recognise(weights, bard.tokenizer.encode(LINE))
    heads = page.locator("#attention-heads .pg-head")
    expect(heads).to_have_count(36)
    assert page.locator("#attention-heads script").count() == 0, "typed text became markup"
    picture, words = page.locator(".pg-head-view .pg-focus"), page.locator(".pg-head-view .pg-words")
    head(page, 0, 5).hover()
    tip = page.locator(".pg-tip")
    expect(tip).to_contain_text(f"previous token{found.scores['previous'][0, 5]:.2f}")
    expect(tip).to_contain_text(f"entropy{found.entropy[0, 5]:.2f} bits")
    expect(picture).to_contain_text("Layer 1, head 6")
    expect(head(page, 0, 5)).to_have_attribute("aria-pressed", "false")

    page.get_by_label("Order").select_option("previous")
    first = int(found.scores["previous"].flatten().argmax())
    expect(heads.first).to_have_attribute("data-head", f"{first // 6},{first % 6}")
    page.get_by_label("Heads", exact=True).select_option("previous")
    expect(heads).to_have_count(sum(name == "previous" for row in found.names for name in row))
    page.get_by_label("Heads", exact=True).select_option("first")
    expect(page.locator(".pg-attention")).to_contain_text("No head of this model is recognised as “first token”")
    page.get_by_label("Heads", exact=True).select_option("")
    page.get_by_label("Order").select_option("layer")

    head(page, 0, 5).click()
    row = weights[0, 5, 9].tolist()
    words.locator(".pg-token").nth(9).hover()
    expect(words.locator(".pg-note")).to_contain_text(f"{max(row):.2f}")
    words.locator(".pg-token").nth(9).click()
    words.locator(".pg-token").nth(12).click()
    mean = (weights[0, 5, 9] + weights[0, 5, 12]) / 2
    expect(words.locator(".pg-note")).to_contain_text("The 2 chosen tokens look at")
    expect(words.locator(".pg-note")).to_contain_text(f"{float(mean.max()):.2f}")
    page.get_by_label("Picture of").select_option("layer")
    expect(picture).to_contain_text("Layer 1, mean over its heads")
    page.get_by_label("Picture of").select_option("head")
    expect(picture).to_contain_text("Layer 1, head 6")
    page.get_by_label("Colours").select_option("own")
    largest = float(weights[0, 5, len(bard.tokenizer.encode(LINE)) // 2 :].max())
    page.wait_for_function(
        "most => Math.abs(document.querySelector('.pg-head-view .pg-focus').data[0].zmax - most) < 1e-3", arg=largest
    )

    with page.expect_download() as saved:
        page.get_by_role("button", name="this head (CSV)").click()
    saved.value.save_as(tmp_path / "head.csv")
    rows = list(csv.reader((tmp_path / "head.csv").open(encoding="utf-8", newline="")))
    assert [float(cell) for cell in rows[10][1:11]] == pytest.approx(row[:10], abs=1e-4)
    with page.expect_download() as saved:
        page.get_by_role("button", name="all heads (PNG)").click()
    saved.value.save_as(tmp_path / "heads.png")
    content = (tmp_path / "heads.png").read_bytes()
    assert content.startswith(b"\x89PNG") and len(content) > 5000

    open_tab(page, "Lines")
    lines_are_those_of_the_words_that_are_pointed_at(page, weights)
    open_tab(page, "Head")
    with page.expect_download() as saved:
        page.get_by_role("button", name="interactive web page (HTML)").click()
    saved.value.save_as(tmp_path / "page.html")
    assert "<script>alert(1)" not in (tmp_path / "page.html").read_text(encoding="utf-8")
    page.goto((tmp_path / "page.html").as_uri())  # without the playground
    expect(page.locator(".pg-head")).to_have_count(36)
    page.locator(".pg-head").nth(7).click()
    expect(page.locator(".pg-focus")).to_contain_text("Layer 2, head 2")
    page.locator(".pg-words .pg-token").nth(9).hover()
    expect(page.locator(".pg-words .pg-note")).to_contain_text(f"{float(weights[1, 1, 9].max()):.2f}")
    page.get_by_role("tab", name="Lines").click()
    expect(page.locator(".pg-lines line").first).to_be_attached()


def lines_are_those_of_the_words_that_are_pointed_at(page: Page, weights: torch.Tensor) -> None:
    view = page.locator(".pg-lines-view")
    said, lines = view.locator(".pg-line-said"), view.locator(".pg-lines line")
    expect(said).to_contain_text("Layer 1, head 6")
    drawn = (weights[0, 5, :MOST_WORDS, :MOST_WORDS] * 255).round() / 255 >= 0.05
    expect(lines).to_have_count(int(drawn.sum()))
    queries = view.get_by_role("group", name="tokens that look").get_by_role("button")
    clear = int(weights[0, 5, 2:MOST_WORDS].amax(-1).argmax()) + 2  # of these queries, the one with the least doubt
    queries.nth(clear).hover()
    expect(said).to_contain_text(f"looks at “{queries.nth(int(weights[0, 5, clear].argmax())).inner_text()}”")
    page.mouse.move(0, 0)
    expect(said).to_contain_text("Layer 1, head 6")
    queries.first.focus()  # by keyboard: down the column, over to the other one
    for key in ("ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    expect(said).to_contain_text("is looked at by")
    view.get_by_label("Lines of").select_option("layer")
    before = lines.count()
    view.get_by_role("button", name=re.compile("^6: layer 1, head 6")).click()
    expect(lines).not_to_have_count(before)


def test_one_head_is_followed_from_its_vectors_to_what_the_model_says(
    page: Page, url: str, bard: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_attention(page, url)
    type_text(page, LINE)
    ids = bard.tokenizer.encode(LINE)
    seen = activations.trace(bard.model, ids)

    head(page, 2, 2).click()
    open_tab(page, "Q and K")
    panel = page.locator(".pg-steps")
    panel.locator(".pg-token-row .pg-token").nth(8).click()
    expect(panel.locator("h3")).to_contain_text("in layer 3, head 3")
    expect(panel.locator(".pg-token-row .pg-token").nth(8)).to_have_attribute("aria-pressed", "true")
    steps = activations.steps(bard.model, seen, 2, 2, 8)
    cells = panel.locator("tr").nth(1 + 4).locator("td").all_inner_texts()
    shown = [number(cell) for cell in cells[1:5]]
    expected = [float(values[4]) for values in (steps.raw, steps.scaled, steps.masked, steps.weights)]
    assert shown == pytest.approx(expected, abs=2e-3)
    assert panel.locator("tr").nth(1 + 9).locator("td").nth(3).inner_text() == f"{MINUS}∞"  # the future
    panel.locator("tr").nth(1 + 4).locator("button").click()
    expect(panel.locator(".pg-strip-total").first).to_contain_text(f"sum = {cells[1]}")
    expect(panel.locator(".pg-cells").first.locator("span")).to_have_count(48)

    head(page, 2, 1).click()
    open_tab(page, "Why √d_k")
    without_scaling_one_token_takes_all_and_the_gradient_fades(page.locator(".pg-lab"))

    open_tab(page, "Switch off")
    panel = page.locator(".pg-switch-off")
    panel.get_by_role("button", name="Measure every head").click()
    expect(panel.locator("[role=status]")).to_contain_text("Most missed: layer")
    strongest = re.search(r"layer (\d), head (\d) \(\+([\d.]+)\)", panel.locator("[role=status]").inner_text())
    assert strongest is not None
    layer, best, change = strongest.groups()
    panel.locator(f'.pg-cell[data-head="{int(layer) - 1},{int(best) - 1}"]').click()
    expect(panel.locator(".pg-loss")).to_contain_text(f"(+{change})")
    expect(panel.locator("th")).to_have_text(["next token", "all heads on", "1 head off"])
    panel.get_by_role("button", name="All on again").click()
    expect(panel.locator("th")).to_have_text(["next token", "all heads on"])

    open_tab(page, "Lens")
    rows = page.locator(".pg-lens-table tr")
    expect(rows).to_have_count(8)  # six layers, the embedding, the text
    logits, _ = bard.model(torch.tensor([ids]))
    said = bard.tokenizer.decode([int(logits[0, 3].argmax())]).replace("\n", "↵").replace(" ", "·")
    expect(rows.first.locator("td").nth(3)).to_have_text(said)
    rows.first.locator("td").nth(3).hover()
    expect(page.locator(".pg-tip")).to_contain_text("really next")

    open_tab(page, "Edit")
    a_silent_head_writes_another_text(page.locator(".pg-edit"), bard, ids)
    open_tab(page, "Neurons")
    corpus = Corpus("few-lines", (LINE * 30,), ())
    monkeypatch.setattr(neuron_search, "corpus_of", lambda _: (corpus, ""))
    a_neuron_shows_what_excites_it_and_what_it_says(page.locator(".pg-neurons"), bard, seen, corpus)
    open_tab(page, "Long text")
    a_long_text_is_one_picture(page, bard)
    open_tab(page, "Attribution")
    a_logit_is_the_sum_of_its_parts(page, bard, seen)
    open_tab(page, "Patching")
    a_word_is_put_back_into_the_pass_of_a_changed_text(page, bard)


def a_silent_head_writes_another_text(panel: Locator, bard: Checkpoint, ids: list[int]) -> None:
    """The head in focus is the second of layer 3, and the slider begins at 0."""
    sampling = Sampling(max_new_tokens=40, temperature=0)

    def own() -> list[str]:
        return [bard.tokenizer.decode([id]) for id in batch(bard.model, [ids], sampling, {bard.tokenizer.eot})[0]]

    texts = panel.locator(".pg-written")
    expect(texts).to_have_count(2)
    assert texts.first.locator(".pg-written-token").all_text_contents() == own()
    with activations.ablate_heads(bard.model, [(2, 1)]):
        assert texts.last.locator(".pg-written-token").all_text_contents() == own()
    panel.locator("#edit-scale").fill("1")
    expect(panel.locator("[role=status]")).to_contain_text("Both wrote the same")
    panel.get_by_label("It looks").select_option("token")
    panel.locator(".pg-token").first.click()
    expect(panel.locator("h3").last).to_contain_text(f"1.00, only at “{bard.tokenizer.decode(ids[:1])}”")


def a_neuron_shows_what_excites_it_and_what_it_says(
    panel: Locator, bard: Checkpoint, seen: activations.Trace, corpus: Corpus
) -> None:
    panel.locator(".pg-token").nth(3).click()
    _, lengths = neurons.contributions(bard.model, seen, 3)
    layer, unit = divmod(int(lengths.argmax()), lengths.shape[1])
    panel.get_by_role("button", name=f"layer {layer + 1}, unit {unit + 1}").click()
    effect = neurons.logit_effect(bard.model, layer, unit)
    best = panel.locator(".pg-table").first.locator("tr").nth(1)
    expect(best).to_contain_text(f"{float(effect.max()):.3f}")
    panel.get_by_role("button", name="Search the corpus").click()
    places = panel.locator(".pg-neuron-places li")
    expect(places).to_have_count(neuron_search.PLACES)
    blocks = text_blocks(bard.tokenizer.encode_documents(corpus.train), bard.model.config.block_size, 50_000)
    *_, found = top_places(bard.model, blocks, 1)
    expect(places.first).to_contain_text(f"{float(found.activations[layer, unit, 0]):.2f}")
    token = int(blocks.flatten()[found.places[layer, unit, 0]])
    expect(places.first.locator("mark")).to_have_text(visible_spaces(bard.tokenizer.decode([token])))


def a_long_text_is_one_picture(page: Page, bard: Checkpoint) -> None:
    panel, text = page.locator(".pg-long"), LINE * 8
    page.locator("#attention-text textarea").fill(text)
    ids = bard.tokenizer.encode(text)[: bard.model.config.block_size]
    expect(panel).to_have_attribute("data-drawn", f"2,1,{len(ids)}")
    assert len(ids) > 128
    weights = activations.head_attention(bard.model, activations.trace(bard.model, ids), 2, 1)
    panel.locator("canvas").focus()
    page.keyboard.press("ArrowLeft")
    byte = int((weights[-1, -2] * 255).round())
    told = f"weight {byte / 255:.3f}" if byte else "weight below 0.002"
    expect(panel.locator("[role=status]")).to_contain_text(f"looks at token {len(ids) - 1} ")
    expect(panel.locator("[role=status]")).to_contain_text(told)
    page.keyboard.press("+")
    panel.locator("canvas").hover(position={"x": 30, "y": 3})
    expect(panel.locator("[role=status]")).to_contain_text("which comes later")


def a_logit_is_the_sum_of_its_parts(page: Page, bard: Checkpoint, seen: activations.Trace) -> None:
    panel = page.locator(".pg-attribution")
    page.locator("#attention-text textarea").fill(LINE)
    expect(panel.locator(".pg-token-row .pg-token")).to_have_count(len(seen.ids))
    panel.locator(".pg-token-row .pg-token").nth(3).click()
    expect(panel.locator(".pg-token-row .pg-token").nth(3)).to_have_attribute("aria-pressed", "true")
    token = panel.get_by_label("Token", exact=True)
    really = token.locator("option", has_text="really next").get_attribute("value")
    assert really is not None and int(really) == seen.ids[4]
    token.select_option(really)
    name = visible_spaces(bard.tokenizer.decode([seen.ids[4]]))
    expect(panel.locator("h3")).to_contain_text(f"Who wrote “{name}”")
    found = attribute(bard.model, seen, 3, seen.ids[4])
    said = panel.locator("[role=status]")
    expect(said).to_contain_text(f"the model computes {found.logit:.3f}".replace("-", MINUS))
    assert number(re.search(r"sum to (\S+);", said.inner_text()).group(1)) == pytest.approx(found.logit, abs=2e-3)  # type: ignore[union-attr]
    cell = panel.locator('.pg-signed-cell[data-head="5,3"]')
    assert number(cell.inner_text()) == pytest.approx(float(found.heads[5, 3]), abs=0.0051)
    cell.click()
    expect(head(page, 5, 3)).to_have_attribute("aria-pressed", "true")
    expect(panel.locator("h4")).to_have_text("Pattern of layer 6, head 4")


def a_word_is_put_back_into_the_pass_of_a_changed_text(page: Page, bard: Checkpoint) -> None:
    panel = page.locator(".pg-patching")
    said = panel.locator("[role=status]")
    panel.get_by_label("Changed text", exact=True).fill("ANTONIO: no")
    panel.get_by_role("button", name="Patch", exact=True).click()
    expect(said).to_contain_text(re.compile(r"The clean text has \d+ tokens, the changed one \d+: “.*Choose words"))

    model, tokenizer = bard.model, bard.tokenizer
    example = next(example for example in EXAMPLES if works(bard, example))
    panel.get_by_label("Example").select_option(label=example.title)
    expect(panel.locator(".pg-clean-text")).to_have_text(example.clean.replace("\n", "↵").replace(" ", "·"))
    panel.get_by_role("button", name="Patch", exact=True).click()
    expect(said).to_contain_text("Head that brings back most")
    clean, changed = (activations.trace(model, tokenizer.encode(text)) for text in (example.clean, example.changed))
    answers = [tokenizer.encode(text)[0] for text in (example.answer, example.other)]
    pair = make_pair(model, clean, changed, *answers)
    maps = panel.locator(".pg-signed table")
    for kind, patch in PATCHES.items():
        rows = maps.nth(list(PATCHES).index(kind)).locator("tr")
        expect(rows).to_have_count(1 + 6 + (kind == "residual"))
        shown = [number(text) if text else 0 for text in rows.nth(4).locator("td").all_inner_texts()]
        assert shown == pytest.approx([100 * share for share in patch(model, pair, 3).tolist()], abs=0.6)


def without_scaling_one_token_takes_all_and_the_gradient_fades(lab: Locator) -> None:
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


def test_a_run_in_time_lapse_two_models_and_what_cannot_be_shown(
    page: Page, url: str, workspace: Path, bard: Checkpoint
) -> None:
    other = checkpoint.load(workspace / "bard-base")
    with torch.no_grad():
        other.model.blocks[2].attn.c_attn.weight.mul_(1.5)
    checkpoint.save(workspace / "changed", other.model, other.tokenizer, Card(parent="bard-base"))
    open_attention(page, url)
    type_text(page, LINE)
    head(page, 2, 2).click()
    open_tab(page, "Two models")
    panel, others = page.locator(".pg-compare"), page.get_by_label("Compare with")
    expect(panel.locator(".pg-heads")).to_have_count(3)  # with the first that can be compared
    expect(others.locator("option[value=bard-tiny]")).to_be_disabled()
    expect(others).to_contain_text("bard-tiny (has another vocabulary)")
    others.select_option("changed")
    loss = float(activations.losses(other.model, activations.trace(other.model, bard.tokenizer.encode(LINE))).mean())
    expect(panel.locator(".pg-counts")).to_contain_text(f"{loss:.3f}")
    expect(panel.locator(".pg-focus")).to_contain_text("Layer 3, head 3: changed minus bard-base")
    named = "nodes => nodes.map(node => node.dataset.name).join()"
    for basis in ("test", "text"):  # one rule for this grid and the large one
        page.get_by_label("Named on").select_option(basis)
        large = page.locator("#attention-heads .pg-head").evaluate_all(named)
        assert panel.locator(".pg-heads").first.locator(".pg-head").evaluate_all(named) == large

    open_tab(page, "Time-lapse")
    panel = page.locator(".pg-timelapse")
    expect(panel).to_contain_text("bard-base kept no snapshots, so this is bard-tiny")
    expect(panel.locator("[role=status]")).to_contain_text("Drag the slider", timeout=60_000)
    last = panel.locator("h3").inner_text()
    panel.locator("#timelapse-step").fill("0")
    expect(panel.locator("h3")).to_contain_text("bard-tiny, after step 0")
    first = panel.locator("h3").inner_text()
    losses = [float(re.search(r"text ([\d.]+)", text).group(1)) for text in (first, last)]  # type: ignore[union-attr]
    assert losses[0] > losses[1] + 0.5
    panel.get_by_role("button", name="Play").click()
    expect(panel.locator("h3")).to_have_text(last, timeout=30_000)
    page.locator("#attention-text textarea").fill("")
    expect(panel).to_be_hidden()  # it was about another text

    open_tab(page, "Head")
    type_text(page, "A")
    expect(page.locator(".pg-attention")).to_contain_text("36 heads, 1 token;")
    open_tab(page, "Why √d_k")
    expect(page.locator(".pg-lab")).to_contain_text("A single token can only look at itself: give two tokens at least.")
    open_tab(page, "Switch off")
    page.get_by_role("button", name="Measure every head").click()
    expect(page.locator(".pg-switch-off")).to_contain_text("A loss needs two tokens at least")
    open_tab(page, "Lens")
    expect(page.locator(".pg-lens-table tr")).to_have_count(8)
    open_tab(page, "Head")
    choose_model(page, "bard-tiny")
    type_text(page, "Speak, good friend. " * 60)
    expect(page.locator(".pg-attention")).to_contain_text(re.compile(r"Only the first 128 tokens are shown, of \d+"))
    open_tab(page, "Lines")
    expect(page.locator(".pg-lines-view")).to_contain_text(f"Only the first {MOST_WORDS} of 128 tokens are drawn")


@pytest.mark.slow
@pytest.mark.longest
def test_the_same_model_is_trained_with_and_without_the_square_root(
    page: Page, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaling, "EXPERIMENT_STEPS", 50)
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
    expect(panel).to_have_attribute("data-points", "50,50", timeout=240_000)
    expect(panel.locator("[role=status]")).to_contain_text(re.compile(r"unscaled-1: finished.*loss [\d.]+"))
