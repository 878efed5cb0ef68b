"""Pictures for the docs: the playground over some models in a browser, and parts of a page as small files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, ViewportSize, sync_playwright

from playground.__main__ import launch
from playground.services.services import Services
from tests.conftest import free_port
from tests.ui.conftest import FLAGS, installed_chromium
from tests.ui.steps import open_page

COLORS = 128  # of a picture: a page has few, and the file is a third as large
REST = 1200  # ms in which what is drawn comes to rest


@contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=installed_chromium(), args=FLAGS)
        yield started
        started.close()


@contextmanager
def playground(place: Path, size: ViewportSize, sharpness: float = 1.0) -> Iterator[Page]:
    """The page over the models in `place`, in the light theme. sharpness: pixels of a picture a pixel of the page."""
    port = free_port()
    blocks = launch(Services.open(place, torch.device("cpu")), "127.0.0.1", port, browser=False, wait=False)
    try:
        with browser() as started:
            page = started.new_page(viewport=size, device_scale_factor=sharpness)
            page.set_default_timeout(600_000)
            open_page(page, f"http://127.0.0.1:{port}/?__theme=light")
            yield page
    finally:
        blocks.close()


def take(part: Locator, path: Path) -> None:
    """A picture of a part of the page, once that has come to rest and without the pointer over it."""
    part.page.mouse.move(0, 0)
    part.page.wait_for_timeout(REST)
    part.screenshot(path=path)
    palette = Image.open(path).convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE, colors=COLORS)
    palette.save(path, optimize=True)
