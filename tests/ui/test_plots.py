"""Every kind of plot, zoomed after the address has changed: nothing is drawn outside of its axes."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import ElementHandle, Page, expect

from tests.ui.runs import write_aligned, write_run
from tests.ui.steps import choose_run, open_page, open_tab, wait_for_points

SHOWN = ".js-plotly-plot:visible"
# A fifth of each axis across: what is to the left and right of it would run over the neighbours.
ZOOM = """async (plot) => {
  const drawn = plot._fullLayout;
  const middle = ([from, to]) => [from + (to - from) * 0.4, from + (to - from) * 0.6];
  const axes = Object.keys(plot.layout).filter((key) => /^xaxis/.test(key) && drawn[key] && !drawn[key].matches);
  await Plotly.relayout(plot, Object.fromEntries(axes.map((key) => [key + ".range", middle(drawn[key].range)])));
}"""
# Of a plot that is drawn: where its axes, its legend and its tools stand, and the names of its ticks.
FACTS = """(plot) => {
  const drawn = plot._fullLayout;
  const { left, top } = plot.getBoundingClientRect();
  const axes = drawn._subplots.cartesian.map((id) => drawn._plots[id]).map(({ xaxis: x, yaxis: y }) =>
    [x._offset, y._offset, x._offset + x._length, y._offset + y._length]);
  const box = (node) => (({ x, y, width, height }) => [x - left, y - top, x - left + width, y - top + height])(
    node.getBoundingClientRect());
  const texts = (selector) => [...plot.querySelectorAll(selector)].map((node) => node.textContent);
  const whole = Object.keys(plot.layout).filter((key) => plot.layout[key]?.integer);
  const ticks = whole.map((key) => texts("." + drawn[key]._id + "tick text"));
  const references = [...plot.querySelectorAll("[clip-path], [style*='url(']")].map((node) =>
    node.getAttribute("clip-path") + node.getAttribute("style"));
  return {
    axes, ticks,
    legends: [...plot.querySelectorAll(".legend")].map(box), tools: box(plot.querySelector(".modebar")),
    strange: references.filter((reference) => reference.includes("://")),
  };
}"""
HIDE = "(plot, hidden) => plot.classList.toggle('pg-hides-traces', hidden)"
HIDDEN = ".pg-hides-traces :is(.mlayer, .mlayer *) { visibility: hidden !important; }"


def pixels(plot: ElementHandle) -> NDArray[np.int16]:
    """(height, width, 3)"""
    return np.asarray(Image.open(io.BytesIO(plot.screenshot(animations="disabled"))).convert("RGB")).astype(np.int16)


def drawn(plot: ElementHandle, axes: list[list[float]]) -> tuple[int, int]:
    """How many pixels the traces colour; how many of them lie outside of the axes, by more than a line is wide."""
    shown = pixels(plot)
    plot.evaluate(HIDE, True)
    changed = (np.abs(shown - pixels(plot)) > 8).any(axis=2)
    plot.evaluate(HIDE, False)
    colored = int(changed.sum())
    for left, top, right, bottom in axes:
        changed[max(0, int(top) - 3) : int(bottom) + 4, max(0, int(left) - 3) : int(right) + 4] = False
    return colored, int(changed.sum())


def meet(one: list[float], other: list[float]) -> bool:
    """Whether two boxes, (left, top, right, bottom), have a point in common."""
    return all(one[i] < other[i + 2] and other[i] < one[i + 2] for i in (0, 1))


def check_plots(page: Page, place: str) -> None:
    """All plots that can be seen."""
    plots = page.locator(SHOWN).element_handles()
    colored = 0
    for number, plot in enumerate(plots):
        where = f"{place}, plot {number + 1}"
        before: dict[str, Any] = plot.evaluate(FACTS)
        plot.evaluate(ZOOM)
        after: dict[str, Any] = plot.evaluate(FACTS)
        inside, outside = drawn(plot, after["axes"])
        assert outside == 0, where
        colored += inside
        assert before["strange"] + after["strange"] == [], where
        for names in before["ticks"] + after["ticks"]:
            numbers = [float(name.replace(",", "")) for name in names]
            assert len(set(numbers)) == len(names) and all(n == int(n) for n in numbers), (where, names)
        assert not any(meet(after["tools"], legend) for legend in after["legends"]), f"{where}: tools on the legend"
    assert colored > 0, f"{place}: the traces were hidden, and nothing changed"


def test_a_zoom_draws_nothing_outside_of_the_axes_wherever_the_address_leads(
    page: Page, workspace: Path, url: str
) -> None:
    write_run(workspace, "long", 60)
    write_run(workspace, "short", 4)
    write_run(workspace, "waiting", 0)
    for stage in ("reward", "dpo", "ppo"):
        write_aligned(workspace, f"my-{stage}", stage)
    open_page(page, url)
    page.add_style_tag(content=HIDDEN)
    open_tab(page, "Train")
    for run in ("long", "short"):
        choose_run(page, "train", run)
        wait_for_points(page, run, 4)
        page.locator(".pg-more-tools button").first.wait_for()
        hidden = page.locator(".pg-more-tools button[aria-pressed=false]")
        hidden.evaluate_all("chips => chips.forEach((chip) => chip.click())")
        open_tab(page, "Instructions" if run == "long" else "Pre-train")  # and the address is another
        check_plots(page, run)
    choose_run(page, "train", "waiting")
    expect(page.locator(".pg-run .pg-no-curves")).to_contain_text("all steps taken")
    expect(page.locator(".pg-run .main-svg").first).to_be_hidden()
    open_tab(page, "Align")
    for stage in ("reward", "dpo", "ppo"):
        choose_run(page, "align", f"my-{stage}")
        page.locator(f"#align-view .pg-run[data-run=my-{stage}]").wait_for()
        wait_for_points(page, f"my-{stage}", 40, view="#tab-align .pg-run")
        check_plots(page, stage)
    open_tab(page, "Attention")
    page.locator(f"#tab-attention {SHOWN}").wait_for()
    check_plots(page, "head")
    open_tab(page, "Tokenizer")
    open_tab(page, "Merge scrubber")
    page.locator(f"#tab-tokenizer {SHOWN}").wait_for()
    check_plots(page, "merges")
