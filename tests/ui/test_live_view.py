"""The live view of a run: what it shows of a log, what it keeps while the log grows, and what it saves."""

import csv
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.training.log_lines import read_lines
from core.training.run_directory import Run
from tests.ui.runs import add_steps, write_run
from tests.ui.steps import choose_run, wait_for_points, wait_for_state

PLOT, MORE = "document.querySelector('.pg-curves')", "document.querySelector('.pg-more-curves')"


def look_at(page: Page, run: str, points: int = 1) -> None:
    choose_run(page, "train", run)
    wait_for_points(page, run, points)


def axis_range(page: Page, axis: str) -> list[float]:
    return page.evaluate(f"{PLOT}.layout.{axis}.range")


def drag(page: Page) -> None:
    """Zoom into the middle of the loss panel."""
    box = page.locator(".pg-curves .nsewdrag").first.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.3 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], middle, steps=5)
    page.mouse.up()


def saved(page: Page, button: str, path: Path) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name=button, exact=True).click()
    download.value.save_as(path)
    return path


def test_a_run_that_goes_on_keeps_zoom_axes_and_an_earlier_run_over_all_curves(
    page: Page, url: str, workspace: Path
) -> None:
    write_run(workspace, "earlier", 400)
    run = write_run(workspace, "live", 200, of=1000, state="running")
    with run.hold("cpu"):
        page.goto(f"{url}?tab=train&run=live")
        wait_for_points(page, "live", 200)
        state = page.locator(".pg-state")
        expect(state).to_contain_text("step 200 of 1,000 · about 80 s left")
        expect(state).to_contain_text("at step 200")
        expect(page.locator(".pg-sample").first).to_contain_text("What light, says step 200? 🙂")
        expect(page.locator(".pg-sample figcaption").first).to_contain_text("after step 200, validation loss 3.3")
        assert page.locator(".pg-sample b").count() == 0, "a sample became markup"

        summary = page.locator(".pg-others summary")
        summary.press("Enter")
        page.get_by_role("checkbox", name="earlier").press("Space")
        expect(page.locator(".pg-curves .legendtext", has_text="earlier")).to_be_visible()
        page.keyboard.press("Escape")
        expect(summary).to_be_focused()
        page.get_by_role("button", name="gradient norm", exact=True).click()
        page.wait_for_function(f"{MORE}?.data?.some(({{ name }}) => name === 'earlier, gradient norm')")

        page.get_by_label("log loss").check()
        page.wait_for_function(f"{PLOT}.layout.yaxis.type === 'log'")
        drag(page)
        page.wait_for_function(f"{PLOT}.layout.xaxis.autorange === false")
        zoomed = axis_range(page, "xaxis")
        assert 50 < zoomed[0] < zoomed[1] < 350, "the earlier run goes to 400"
        add_steps(run, 201, 230)
        run.write_status(replace(run.status(), step=230))
        wait_for_points(page, "live", 230)
        assert axis_range(page, "xaxis") == zoomed
        assert page.evaluate(f"{PLOT}.layout.yaxis.type") == "log"
        page.get_by_label("log steps").check()  # its own zoom would mean something else now
        page.wait_for_function(f"{PLOT}.layout.xaxis.autorange !== false")

        page.reload()  # run, curve, scales and the earlier run are as they were left
        wait_for_points(page, "live", 230)
        expect(page.locator(".pg-curves .legendtext", has_text="earlier")).to_be_visible()
        expect(page.get_by_label("log steps")).to_be_checked()
        page.wait_for_function(f"{MORE}?.data?.some(({{ name }}) => name === 'earlier, gradient norm')")


def test_runs_are_drawn_saved_and_put_in_order(page: Page, url: str, workspace: Path, tmp_path: Path) -> None:
    long, short = write_run(workspace, "long", 10_000), write_run(workspace, "short", 120, learning_rate=0.5)
    write_odd(workspace)
    again = write_run(workspace, "again", 150, of=300, state="stopped")
    page.goto(f"{url}?tab=train&run=long")
    wait_for_points(page, "long", 10_000)
    page.get_by_role("button", name="gradient norm", exact=True).click()
    page.wait_for_function(f"{MORE}?.data?.length > 1")
    for plot in (PLOT, MORE):
        assert all(n <= 2300 for n in page.evaluate(f"{plot}.data.map(({{ x }}) => x.length)"))
    highest = max(line["grad_norm"] for line in read_lines(long.metrics)[0])
    drawn = page.evaluate(f"{MORE}.data.find(({{ name }}) => name === 'gradient norm, each step').y")
    assert max(drawn) == pytest.approx(highest, rel=1e-4), "the spike of a single step"

    rows = list(csv.DictReader(saved(page, "CSV", tmp_path / "long.csv").open(encoding="utf-8", newline="")))
    read = [{name: float(cell) for name, cell in row.items() if cell} for row in rows]
    assert read == read_lines(long.metrics)[0]
    with zipfile.ZipFile(saved(page, "TensorBoard", tmp_path / "long.zip")) as archive:
        assert archive.namelist()[0].startswith("long/events.out.tfevents.")
    assert saved(page, "PNG", tmp_path / "long.png").read_bytes().startswith(b"\x89PNG")

    look_at(page, "short", 120)
    smoothing_is_the_debiased_average_of_all_steps(page, short)
    look_at(page, "odd")
    a_failure_is_a_sentence_and_panels_are_those_of_the_log(page)
    look_at(page, "again", 150)
    again.rewind(100)  # as another process does that resumes it
    path = again.directory / "status.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"pid": ', '"pid": 1'), encoding="utf-8")
    page.wait_for_function("document.querySelector('.pg-run').dataset.points === '100'")
    expect(page.locator(".pg-sample")).to_have_count(2)
    the_table_sorts_renames_and_throws_away(page, workspace)


def smoothing_is_the_debiased_average_of_all_steps(page: Page, run: Run) -> None:
    page.get_by_label("smoothing").fill("0.5")
    expect(page.locator(".pg-number-shown")).to_have_text("0.50")
    smooth = page.evaluate(f"{PLOT}.data.find(({{ name }}) => name === 'training, smoothed').y")
    total = weight = 0.0
    for line, shown in zip(read_lines(run.metrics)[0], smooth, strict=True):
        total, weight = total / 2 + line["loss/train"] / 2, weight / 2 + 0.5
        assert shown == pytest.approx(total / weight, rel=1e-4)
    page.get_by_label("smoothing").fill("0")
    page.wait_for_function(f"!{PLOT}.data.some(({{ name }}) => name.includes('smoothed'))")
    assert page.evaluate(f"{PLOT}.data.find(({{ name }}) => name === 'training').y.length") == 120


def write_odd(workspace: Path) -> Run:
    run = write_run(workspace, "odd", 0, of=100, state="failed", corpus="tiny-shakespeare")
    lines = [
        f'{{"step": {i}, "bpb/val": {3 - i / 10}, "loss/train": 5, "accuracy/val": 0.5, "tone": {i}}}' for i in (1, 2)
    ]
    run.metrics.write_text("\n".join(lines) + "\n", encoding="utf-8")
    run.write_status(replace(run.status(), message="the loss became nan at step 3; try a lower learning rate"))
    return run


def a_failure_is_a_sentence_and_panels_are_those_of_the_log(page: Page) -> None:
    wait_for_state(page, "odd", "failed")
    expect(page.locator(".pg-run > div > .pg-error").first).to_have_text(
        "The loss became nan at step 3; try a lower learning rate."
    )
    assert page.evaluate(f"{PLOT}.layout.yaxis.title.text") == "loss (nats per token)"
    offered = page.locator(".pg-more-tools button")
    expect(offered).to_have_text(["bits per byte", "accuracy/val", "tone"])
    offered.first.click()
    page.wait_for_function(f"{MORE}.layout.shapes?.length === 1")
    (target,) = page.evaluate(f"{MORE}.layout.shapes.map(({{ y0, label }}) => [y0, label.text])")
    assert target == [pytest.approx(2.120, abs=1e-3), "nanoGPT: 2.120"]
    expect(page.locator(".pg-run > .pg-note")).to_contain_text("github.com/karpathy/nanoGPT")


def the_table_sorts_renames_and_throws_away(page: Page, workspace: Path) -> None:
    table = page.locator("#train-run")
    head = table.locator("th button", has_text="Best loss").element_handle()
    page.locator("#train-run summary").click()
    expect(table.locator("tr", has_text="short")).to_contain_text("learning_rate 0.5")
    head.click()  # the one that stood there before the lines were drawn anew
    expect(table.locator("[data-run]").first).to_have_text("bard-tiny")
    table.get_by_role("button", name="Rename again").click()
    field = table.get_by_label("New name of again")
    field.fill("renamed")
    field.press("Enter")
    expect(page.locator(".pg-run")).to_have_attribute("data-run", "renamed")
    assert (workspace / "renamed" / "run.json").exists()
    table.get_by_role("button", name="Delete short").click()
    expect(table).to_contain_text("short is in the trash")
    assert not (workspace / "short").exists()
