"""The page that is saved from the attention tab; a browser opens it in tests/ui/test_attention.py."""

import base64
import json
import re

import pytest

from core.interpretability import head_patterns
from playground.tabs.attention import export_html
from playground.tabs.attention.activation_cache import patterns
from playground.ui.scripts import scripts


@pytest.fixture(scope="module")
def saved() -> str:
    return export_html.export_html({"tokens": ["</script><script>alert(1)"]}, "", {}, {})


def sent_modules(saved: str) -> dict[str, bytes]:
    found = re.search(r'<script type="importmap">(.*?)</script>', saved)
    assert found is not None
    imports = json.loads(found[1])["imports"]
    return {name: base64.b64decode(url.removeprefix("data:text/javascript;base64,")) for name, url in imports.items()}


def test_the_page_holds_the_modules_that_its_entry_needs_and_no_others(saved: str) -> None:
    sent = sent_modules(saved)
    own = "playground/tabs/attention/"
    assert {
        own + "standalone.js",
        own + "heads.js",
        own + "head.js",
        own + "lines.js",
        own + "triangle.js",
        "assets/dom.js",
        "assets/plots.js",
    } <= set(sent)
    assert not {own + "compare.js", own + "lens.js", own + "switch_off.js", "playground/badge.js", "plotly.js"} & set(
        sent
    )
    imported = {name for code in sent.values() for name in re.findall(r'from "([^"]+)";', code.decode())}
    assert imported <= set(sent) and len(sent) < len(scripts()) / 2


def test_modules_are_what_their_files_say_but_for_where_they_import_from() -> None:
    code = dict(export_html.modules(export_html.ENTRY))["playground/tabs/attention/heads.js"]
    file = scripts()["playground/tabs/attention/heads.js"].read_text(encoding="utf-8")
    assert 'from "assets/dom.js";' in code and 'from "playground/tabs/attention/head_grid.js";' in code
    assert file == code.replace('"assets/', '"../../../assets/').replace('"playground/tabs/attention/', '"./')


def test_the_page_holds_the_style_of_what_it_shows_only(saved: str) -> None:
    css = saved[saved.index("<style>") : saved.index("</style>")]
    for needed in (
        ".pg-heads",
        ".pg-tag",
        ".pg-token-row",
        ".pg-lines",
        ".pg-note",
        ".pg-choice",
        ".pg-button:focus-visible",
    ):
        assert needed in css
    for other in (
        ".pg-vote",
        ".pg-scene",
        ".pg-chip",
        ".pg-lens-table",
        "#scaling-power",
        ".pg-header",
        ".gradio-container",
    ):
        assert other not in css
    narrow = re.search(r"@media \(max-width: 900px\) *\{ *(.*?\}) *\}", css, re.DOTALL)
    assert narrow is not None and narrow[1].startswith(".pg-attend {") and narrow[1].count("{") == 2
    assert css.count("{") == css.count("}")


def test_a_text_cannot_end_the_script_that_holds_it(saved: str) -> None:
    assert "</script><script>alert" not in saved


def test_a_pattern_that_is_added_in_one_place_reaches_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    skip = head_patterns.Pattern("every other token", "skips a token", 5, head_patterns.first)
    monkeypatch.setitem(head_patterns.PATTERNS, "skip", skip)
    sent = patterns()
    assert sent[-1]["name"] == "skip" and sent[-1]["title"] == "every other token"
    assert sent[-1]["color"] not in {one["color"] for one in sent[:-1]}
