"""One HTML file that holds the attention of a text and needs nothing else, not even the playground."""

import base64
import json
import posixpath
import re
from collections.abc import Iterator
from typing import Any

from playground.ui.scripts import plotly, scripts, styles

ENTRY = "playground/tabs/attention/standalone.js"
STYLES = ("page.css", "attention/style.css")
IMPORT = re.compile(r'^((?:import|export|\}).*")(\.{1,2}/[^"]+)(";)$', re.MULTILINE)  # as Prettier writes them
RULE = re.compile(r"@[^{]+\{(?:[^{}]*\{[^{}]*\})*\s*\}|[^{}]+\{[^{}]*\}")  # of a style sheet, or a block of them
SELECTOR = re.compile(r",\s*(?![^()]*\))")  # what stands between two of them
NAME = re.compile(r"[.#]([a-zA-Z][\w-]*)")  # of a class or an id

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Attention</title>
<style>
:root {{ --body-text-color: #1e293b; --body-text-color-subdued: #64748b; --border-color-primary: #e2e8f0;
  --background-fill-primary: #fff; --background-fill-secondary: #f8fafc; }}
body {{ font-family: system-ui, sans-serif; color: var(--body-text-color); max-width: 1800px; margin: 0 auto;
  padding: 1rem 1.5rem; }}
#parts {{ display: flex; gap: 0.4rem; margin-bottom: 0.6rem; }}
#parts button[aria-selected="true"] {{ border-color: #0072b2; box-shadow: inset 0 -2px #0072b2; }}
{css}
</style>
<h1>What every attention head looks at</h1>
<p class="pg-note">Written by GPT Playground with the model <b id="model"></b>.</p>
<div id="page" class="pg-attend">
<div class="pg-attention"></div>
<div>
<div id="parts" role="tablist"></div>
<div role="tabpanel" aria-label="Head" class="pg-head-view"></div>
<div role="tabpanel" aria-label="Lines" class="pg-lines-view"></div>
</div>
</div>
<script type="application/json" id="data">{data}</script>
<script>{plotly}</script>
<script type="importmap">{modules}</script>
<script type="module">import "{entry}";</script>
</html>
"""


def export_html(grid: dict[str, Any], exact: str, figure: dict[str, Any], titles: dict[str, str]) -> str:
    """The head grid with a large picture of the chosen head.

    exact: all weights times 65535, as `activation_cache.encoded` writes them. figure: an empty-titled heatmap of one
    head, in which the page puts the weights of the others. titles: for one head, the mean of a layer, and that of all.
    """
    saved = {"grid": grid, "exact": exact, "figure": figure, "titles": titles}
    data = json.dumps(saved).replace("<", "\\u003c")  # no tag can begin
    found = dict(modules(ENTRY))
    imports = {path: f"data:text/javascript;base64,{encoded(code)}" for path, code in found.items()}
    return PAGE.format(
        css=style_of("".join(found.values())),
        data=data,
        plotly=plotly().read_text(encoding="utf-8"),
        modules=json.dumps({"imports": imports}),
        entry=ENTRY,
    )


def modules(entry: str) -> Iterator[tuple[str, str]]:
    """(path, code) of the module `entry` and of all that it imports; imports name paths from the top of a checkout.

    A file that is opened from a disk may load no module beside it: an import map says where each of them is.
    """
    files = scripts()
    wanted = [entry]
    for path in wanted:
        code = files[path].read_text(encoding="utf-8")
        imported = [resolve(path, name) for _, name, _ in IMPORT.findall(code)]
        wanted += [other for other in imported if other not in wanted]
        yield path, with_full_names(path, code)


def with_full_names(path: str, code: str) -> str:
    """The code of a module with its imports named from the top of a checkout."""
    return IMPORT.sub(lambda found: found[1] + resolve(path, found[2]) + found[3], code)


def resolve(path: str, name: str) -> str:
    """What the module at `path` imports as `name`."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), name))


def encoded(code: str) -> str:
    return base64.b64encode(code.encode()).decode()


def style_of(code: str) -> str:
    """The rules for what scripts with this code make: those whose classes it names."""
    words = set(re.findall(r"[\w-]+", code + PAGE))

    def needed(rules: str) -> Iterator[str]:
        for rule in RULE.findall(rules):
            head, _, body = rule.strip().partition("{")
            if head.startswith("@"):
                kept, body = [head.strip()], "\n".join(needed(body[:-1]))
            else:
                kept = [one for one in SELECTOR.split(head.strip()) if words.issuperset(NAME.findall(one))]
                body = body[:-1].strip()
            if kept and body:
                yield f"{', '.join(kept)} {{ {body} }}"

    sheets = "".join(path.read_text(encoding="utf-8") for path in styles() if path.as_posix().endswith(STYLES))
    return "\n".join(needed(re.sub(r"/\*.*?\*/", "", sheets, flags=re.DOTALL)))
