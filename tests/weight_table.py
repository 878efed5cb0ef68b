"""The table of weights that are read and refused in assets/docs/models.md, made from what the readers declare:
`python -m tests.weight_table --write`.
"""

from core.foreign_weights import OTHER_FILES
from core.huggingface import SAME_ACTIVATION, UNSUPPORTED
from core.model import ACTIVATIONS
from core.weight_layouts import GPT2_ALONE, LAYOUTS, OTHERS
from tests.helpers.generated import Generated


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


PART = Generated(
    "models.md", "<!-- weights: python -m tests.weight_table --write -->\n", "<!-- end of weights -->", table
)


if __name__ == "__main__":
    PART.main(__doc__)
