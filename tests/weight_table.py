"""The table of weights that are read and refused in assets/docs/models.md, made from what the readers declare:
`python -m tests.weight_table --write`.
"""

import sys
from pathlib import Path

from core.foreign_weights import OTHER_FILES
from core.huggingface import SAME_ACTIVATION, UNSUPPORTED
from core.model import ACTIVATIONS
from core.weight_layouts import GPT2_ALONE, LAYOUTS, OTHERS

PAGE = Path(__file__).parents[1] / "assets" / "docs" / "models.md"
BEGIN, END = "<!-- weights: python -m tests.weight_table --write -->\n", "<!-- end of weights -->"


def table() -> str:
    read = [
        "| read | as | what is known besides the weights | guessed where nothing says it |",
        "| --- | --- | --- | --- |",
    ]
    for layout in LAYOUTS:
        guessed = ", ".join(f"`{name}`" for name in layout.guessed)
        read.append(f"| {layout.name} | {layout.files} | {layout.says} | {guessed} |")
    refused = ["| refused | what it is | instead |", "| --- | --- | --- |"]
    refused += [f"| `*{end}` | {what} | {instead} |" for end, (what, instead) in OTHER_FILES.items()]
    refused += [f"| tensors called `...{mark}...` | {other.what} | {other.instead} |" for mark, other in OTHERS.items()]
    refused += [f"| `{name}` in `config.json` | another arithmetic | {GPT2_ALONE} |" for name in UNSUPPORTED]
    activations = ", ".join(f"`{name}`" for name in (*ACTIVATIONS, *SAME_ACTIVATION))
    refused.append(f"| an `activation_function` but {activations} | another arithmetic | {GPT2_ALONE} |")
    return "\n".join([*read, "", *refused]) + "\n"


def updated(page: str) -> str:
    """`page` with the table as it is now between its two marks."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


if __name__ == "__main__":
    assert sys.argv[1:] == ["--write"], __doc__
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
