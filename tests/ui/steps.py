"""What a person does on the page, in the words of the tests."""

from playwright.sync_api import Page, expect


def open_page(page: Page, url: str) -> None:
    page.goto(url)
    expect(page.locator("#tokens-own .pg-chip").first).to_be_visible(timeout=30_000)


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def choose_model(page: Page, name: str) -> None:
    page.locator("#model-picker input").click()
    page.get_by_role("option", name=name, exact=True).click()


def start_training(page: Page, name: str, max_steps: int) -> None:
    open_tab(page, "Train")
    page.locator("#train-name textarea, #train-name input").fill(name)
    page.locator("#setting-max_steps input").fill(str(max_steps))
    page.locator("#train-start").click()


def wait_for_points(page: Page, count: int, seconds: float = 120) -> None:
    """Until the live plot has drawn at least `count` steps."""
    page.wait_for_function(
        "n => Number(document.querySelector('.pg-run')?.dataset.points) >= n", arg=count, timeout=seconds * 1000
    )


def wait_for_state(page: Page, state: str, seconds: float = 120) -> None:
    page.wait_for_function(
        "s => document.querySelector('.pg-run')?.dataset.state === s", arg=state, timeout=seconds * 1000
    )
