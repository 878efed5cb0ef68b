"""The live view of a run: what it shows of a log, what it keeps while the log grows, and what it saves."""

import csv
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.training.run_directory import read_lines
from tests.ui.runs import add_steps, write_run
from tests.ui.steps import choose, open_page, open_tab, wait_for_points, wait_for_state

PLOT = "document.querySelector('.pg-curves')"


def look_at(page: Page, url: str, run: str) -> None:
    open_page(page, url)
    open_tab(page, "Train")
    choose(page, "train-run", run)
    wait_for_points(page, run, 1)


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


def test_zoom_axes_and_an_earlier_run_stay_while_a_run_goes_on(page: Page, url: str, workspace: Path) -> None:
    write_run(workspace, "earlier", 400)
    run = write_run(workspace, "live", 200, of=1000, state="running")
    with run.hold("cpu"):
        look_at(page, url, "live")
        state = page.locator(".pg-state")
        expect(state).to_contain_text("step 200 of 1,000")
        expect(state).to_contain_text("about 80 s left")
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


def test_a_long_run_opens_with_its_spikes_and_is_saved_whole(
    page: Page, url: str, workspace: Path, tmp_path: Path
) -> None:
    run = write_run(workspace, "long", 10_000)
    look_at(page, url, "long")
    wait_for_points(page, "long", 10_000)
    drawn = page.evaluate(f"{PLOT}.data.map(({{ name, x }}) => [name, x.length])")
    assert all(count <= 2300 for _, count in drawn)
    highest = max(line["grad_norm"] for line in read_lines(run.metrics)[0])
    traces = page.evaluate(
        f"{PLOT}.data.filter(({{ name }}) => name === 'gradient norm, each step').map(({{ y }}) => y)"
    )
    assert max(traces[0]) == pytest.approx(highest, rel=1e-4)
    status = page.locator(".pg-state").inner_text()

    page.reload()
    open_tab(page, "Train")
    wait_for_points(page, "long", 10_000)
    assert page.locator(".pg-state").inner_text() == status
    assert page.evaluate(f"{PLOT}.data.map(({{ name, x }}) => [name, x.length])") == drawn

    rows = list(csv.DictReader(saved(page, "CSV", tmp_path / "long.csv").open(encoding="utf-8", newline="")))
    read = [{name: float(cell) for name, cell in row.items() if cell} for row in rows]
    assert read == read_lines(run.metrics)[0]
    with zipfile.ZipFile(saved(page, "TensorBoard", tmp_path / "long.zip")) as archive:
        assert archive.namelist()[0].startswith("long/events.out.tfevents.")
    assert saved(page, "PNG", tmp_path / "long.png").read_bytes().startswith(b"\x89PNG")


def test_smoothing_is_the_debiased_average_of_all_steps(page: Page, url: str, workspace: Path) -> None:
    run = write_run(workspace, "short", 120)
    look_at(page, url, "short")
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


def test_panels_are_those_of_the_log_and_a_failure_is_a_sentence(page: Page, url: str, workspace: Path) -> None:
    run = write_run(workspace, "odd", 0, of=100, state="failed", corpus="tiny-shakespeare")
    lines = [
        f'{{"step": {i}, "bpb/val": {3 - i / 10}, "loss/train": 5, "accuracy/val": 0.5, "tone": {i}}}' for i in (1, 2)
    ]
    run.metrics.write_text("\n".join(lines) + "\n", encoding="utf-8")
    run.write_status(replace(run.status(), message="the loss became nan at step 3; try a lower learning rate"))
    look_at(page, url, "odd")
    wait_for_state(page, "odd", "failed")
    expect(page.locator(".pg-run > div > .pg-error")).to_have_text(
        "The loss became nan at step 3; try a lower learning rate."
    )
    titles = page.evaluate(
        f"Object.entries({PLOT}.layout).filter(([k]) => k.startsWith('yaxis')).map(([, a]) => a.title.text)"
    )
    assert titles == ["loss (nats per token)", "bits per byte", "accuracy/val", "tone"]
    (target,) = page.evaluate(f"{PLOT}.layout.shapes.map(({{ y0, label }}) => [y0, label.text])")
    assert target == [pytest.approx(2.120, abs=1e-3), "nanoGPT: 2.120"]
    expect(page.locator(".pg-run > .pg-note")).to_contain_text("github.com/karpathy/nanoGPT")


def test_a_run_that_another_process_resumed_is_drawn_anew(page: Page, url: str, workspace: Path) -> None:
    run = write_run(workspace, "again", 150, of=300, state="stopped")
    look_at(page, url, "again")
    wait_for_points(page, "again", 150)
    run.rewind(100)
    path = run.directory / "status.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"pid": ', '"pid": 1'), encoding="utf-8")
    deadline = time.monotonic() + 20
    while page.locator(".pg-run").get_attribute("data-points") != "100":
        assert time.monotonic() < deadline, "the page still shows steps that are void"
        page.wait_for_timeout(200)
    expect(page.locator(".pg-sample")).to_have_count(2)
