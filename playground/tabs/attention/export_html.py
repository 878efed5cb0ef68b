"""One HTML file that holds the attention of a text and needs nothing else, not even the playground."""

import json
from typing import Any

from playground.ui.components import script_paths
from playground.ui.scripts import ASSETS

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Attention</title>
<style>
:root {{ --body-text-color: #1e293b; --body-text-color-subdued: #64748b; --border-color-primary: #e2e8f0;
  --background-fill-primary: #fff; --background-fill-secondary: #f8fafc; }}
body {{ font-family: system-ui, sans-serif; color: var(--body-text-color); max-width: 1400px; margin: 1rem auto; }}
{css}
</style>
<h1>What every attention head looks at</h1>
<p class="pg-note">Written by GPT Playground with the model <b id="model"></b>.</p>
<div id="page"><div class="pg-attention"></div></div>
<script type="application/json" id="data">{data}</script>
{scripts}
<script>playground.standalone(JSON.parse(document.getElementById("data").textContent));</script>
</html>
"""


def export_html(grid: dict[str, Any], exact: str, figure: dict[str, Any]) -> str:
    """The head grid with a large picture of the chosen head.

    exact: all weights times 65535, as `looks.encoded` writes them. figure: an empty-titled heatmap of one head, in
    which the page puts the weights of the others.
    """
    data = json.dumps({"grid": grid, "exact": exact, "figure": figure}).replace("<", "\\u003c")  # no tag can begin
    scripts = "".join(f"<script>{path.read_text(encoding='utf-8')}</script>" for path in script_paths())
    css = (ASSETS / "page.css").read_text(encoding="utf-8")
    return PAGE.format(css=css, data=data, scripts=scripts)
