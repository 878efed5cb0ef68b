"""The wheel is whole: installed elsewhere, it holds every file, opens the page, and shows its models, and others'."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core import checkpoint
from core.checkpoint import Card
from core.model import GPT
from core.tokenizer import Tokenizer
from playground.services.checkpoints import is_shipped
from tests.ui.steps import open_tab
from tests.ui.test_accessible import TABS
from tests.ui.test_recovery import open_when_served

REPO = Path(__file__).parents[2]
LEFT_OUT = ("__pycache__", "docs")  # folders; what README shows is left out, too
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of packages with nothing in it but what the wheel brings."""
    place = tmp_path_factory.mktemp("wheel")
    alone = ["--no-deps", "--no-index"]
    subprocess.run([*PIP, "wheel", *alone, "--no-build-isolation", "-w", str(place), str(REPO)], check=True)
    (wheel,) = place.glob("*.whl")
    subprocess.run([*PIP, "install", *alone, "--target", str(place / "site"), str(wheel)], check=True)
    return place / "site"


def files(folder: Path) -> set[str]:
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in paths if not set(LEFT_OUT) & set(path.parts) and path.suffix != ".png"}


@pytest.mark.slow
def test_every_file_is_installed(site: Path) -> None:
    shared = {str(Path("assets", file)) for file in files(REPO / "assets")}
    models = [path for path in (REPO / "checkpoints").iterdir() if is_shipped(path)]
    shipped = {str(Path("checkpoints", model.name, file)) for model in models for file in files(model) - {".lock"}}
    assert shared and shipped and files(site / "core") == files(REPO / "core") | shipped
    assert files(site / "playground") == files(REPO / "playground") | shared
    assert {path.name for path in site.iterdir() if path.suffix != ".dist-info"} == {"bin", "core", "playground"}
    (wheel,) = site.parent.glob("*.whl")
    assert wheel.stat().st_size < 100e6


@pytest.mark.slow
def test_the_page_opens_where_there_is_nothing_but_the_wheel(
    page: Page, port: int, site: Path, tmp_path: Path, model: GPT, tokenizer: Tokenizer
) -> None:
    python = [sys.executable, "-P"]  # nothing is imported from where it is started
    data, teacher, empty = tmp_path / "data", tmp_path / "teacher", tmp_path / "empty"
    environment = os.environ | {"PYTHONPATH": str(site), "XDG_DATA_HOME": str(data)}
    empty.mkdir()
    for name in ("lesson", "bard-tiny"):
        checkpoint.save(teacher / name, model, tokenizer, Card("pretrain"))
    shipped = site / "core" / "checkpoints"
    before = {path: path.stat().st_mtime_ns for root in (shipped, teacher) for path in root.rglob("*")}
    answered: dict[str, int] = {}
    page.on("response", lambda response: answered.update({response.url: response.status}))
    found = [*python, "-c", "import playground; print(playground.__file__)"]
    assert subprocess.check_output(found, cwd=empty, env=environment, text=True).startswith(str(site))
    command = [*python, "-m", "playground", "--port", str(port), "--no-browser", "--models", str(teacher)]
    server = subprocess.Popen(command, cwd=empty, env=environment)
    try:
        open_when_served(page, f"http://127.0.0.1:{port}/")
        expect(page.locator("#model-picker input")).to_have_value("bard-base")  # Chat takes one that answers
        for tab in TABS:
            open_tab(page, tab)
            expect(page.get_by_role("tab", name=tab, exact=True)).to_have_attribute("aria-selected", "true")
        expect(page.locator(".pg-title").last).to_contain_text("gpt-playground/checkpoints")
        page.locator(".pg-model-card", has_text="lesson").click()
        details = page.locator("#models-shelf .pg-details")
        expect(details).to_contain_text(f"read-only: it lies in {teacher}")
        expect(details.get_by_role("button", name="Delete (to trash)")).to_have_count(0)
        expect(page.locator(".pg-shelf")).to_contain_text(
            f"{shipped / 'bard-tiny'} is not shown: another model has its name"
        )
        page.goto("about:blank")
    finally:
        server.kill()
        server.wait()
    assert all(status < 400 for status in answered.values()), answered
    assert any("/scripts/assets/" in url for url in answered)
    assert before == {path: path.stat().st_mtime_ns for path in before} and not any(empty.iterdir())
    assert (data / "gpt-playground" / "checkpoints" / "preferences.db").exists()
