"""What a person does on the page, in the words of the tests."""

from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Locator, Page, expect


def open_page(page: Page, url: str) -> None:
    """The page at *Tokenizer*, wherever it opens for this person."""
    page.goto(url)
    open_tab(page, "Tokenizer")
    expect(page.locator("#tokens .pg-chip").first).to_be_visible(timeout=30_000)


# When nothing on the page has changed for so many milliseconds, or four seconds have gone by.
STILL = """(quiet) => new Promise((done) => {
  let timer = setTimeout(done, quiet);
  setTimeout(done, 4000);
  new MutationObserver(() => (clearTimeout(timer), (timer = setTimeout(done, quiet)))).observe(document.body, {
    childList: true, subtree: true, attributes: true, characterData: true });
})"""
# The tabs of the bars that can be seen: those in them, and those in their menus, for which there is no room.
TABS_SHOWN = ".tab-wrapper:visible :is(.tab-container[role=tablist] > button, .overflow-dropdown > button)"


def open_tab(page: Page, name: str) -> None:
    """A tab, or a panel inside one, wherever Gradio keeps it at this width."""
    tab = page.locator(TABS_SHOWN).get_by_text(name, exact=True)
    tab.wait_for(state="attached")
    if tab.is_visible():
        tab.click()
    else:
        tab.evaluate("tab => tab.click()")


def every_part(page: Page) -> Iterator[str]:
    """The names of the tabs inside the open one, each while it is open; "" stands for those that are open at first."""
    shown = page.locator(f"[role=tabpanel] {TABS_SHOWN}")
    opened = page.locator(f"[role=tabpanel] {TABS_SHOWN}.selected")
    seen = set(opened.all_text_contents())
    yield ""
    while unseen := [name for name in shown.all_text_contents() if name not in seen]:
        open_tab(page, unseen[-1].strip())
        page.wait_for_timeout(300)
        seen |= {unseen[-1], *opened.all_text_contents()}
        yield unseen[-1].strip()


def choose(page: Page, elem_id: str, option: str) -> None:
    """An option of a dropdown."""
    page.locator(f"#{elem_id}").wait_for()
    if page.locator(f"#{elem_id} select").count():
        page.locator(f"#{elem_id} select").select_option(label=option)
        return
    page.locator(f"#{elem_id} input").first.click()
    page.locator(f'#{elem_id} li[role=option][aria-label="{option}"]').click()


def choose_run(page: Page, prefix: str, run: str) -> None:
    """A run in the table of those of a tab."""
    page.locator(f"#{prefix}-run summary").click()
    page.locator(f'#{prefix}-run [data-run="{run}"]').click()


def unfold(page: Page, elem_id: str) -> None:
    """A part that is folded into one line; pressed again, it is folded."""
    page.locator(f"#{elem_id} > button").click()


def column(page: Page, vocabulary: str) -> Locator:
    """The text in one vocabulary, in the panel that compares several."""
    return page.locator(f'.pg-column[data-vocabulary="{vocabulary}"]')


def choose_model(page: Page, name: str) -> None:
    choose(page, "model-picker", name)


def start_training(page: Page, name: str, max_steps: int, corpus: Path | None = None) -> None:
    """Of what the form begins with, on the text of that path if one is given."""
    open_tab(page, "Train")
    if corpus:
        page.locator("#setting-corpus input").fill(str(corpus))
        page.locator("#setting-corpus input").press("Enter")
    page.locator("#train-name input").fill(name)
    page.locator("#setting-max_steps input").fill(str(max_steps))
    page.locator("#train-start").click()


def wait_for_points(page: Page, run: str, count: int, seconds: float = 300, view: str = ".pg-run") -> None:
    """Until the live plot of `run` has drawn at least `count` steps; `view` finds it where several tabs have one."""
    script = "([view, run, n]) => (d => d?.run === run && Number(d.points) >= n)(document.querySelector(view)?.dataset)"
    page.wait_for_function(script, arg=[view, run, count], timeout=seconds * 1000)


def wait_for_state(page: Page, run: str, state: str, seconds: float = 300, view: str = ".pg-run") -> None:
    script = "([view, run, s]) => (d => d?.run === run && d.state === s)(document.querySelector(view)?.dataset)"
    page.wait_for_function(script, arg=[view, run, state], timeout=seconds * 1000)
