"""The tables of data that are read and refused in assets/docs/data.md, made from the readers and what they say:
`python -m tests.data_table --write`.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from core.datasets import conversation_files, preference_files, thumbs
from core.datasets.json_records import OTHER_PARTS, WRAPPERS
from core.datasets.labelled_files import ANY, JOINED, LABELS, MISSING, TEXTS
from core.datasets.tables import SEPARATORS
from core.datasets.text_files import COLUMNS
from core.stages.registry import STAGES
from tests.helpers.generated import Generated

IMAGE = {"role": "user", "content": [{"type": "image_url", "image_url": "..."}]}
REFUSED: tuple[tuple[str, str, str | bytes], ...] = (  # what it is, the stage, the content
    ("two equal answers", "dpo", json.dumps({"prompt": "Who?", "chosen": "I.", "rejected": "I."})),
    ("answers to two different questions", "dpo", json.dumps({
        name: [{"role": role, "content": text} for role, text in zip(("user", "assistant") * 2, texts, strict=True)]
        for name, texts in (("chosen", "abcd"), ("rejected", "axcd"))
    })),
    ("a pair of answers, for `sft`", "sft", json.dumps({"prompt": "Who?", "chosen": "I.", "rejected": "He."})),
    ("an image in a message", "sft", json.dumps({"messages": [IMAGE]})),
    ("a message by a tool", "sft", json.dumps({"messages": [{"role": "tool", "content": "7"}]})),
    ("an empty answer", "sft", json.dumps({"instruction": "Who?", "output": ""})),
    ("columns that no name tells", "classify", "a,b,c\nI am,you are,he is\nwe are,they are,it is\n"),
    ("a missing label", "classify", "text,label\nI am,nan\n"),
    ("one text with two labels", "classify", "text,label\nI am,x\nI am,y\n"),
    ("an archive", "pretrain", b"PK\x03\x04"),
    ("what is no text", "pretrain", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff"),
)  # fmt: skip


def example(value: Any) -> str:
    return "`" + json.dumps(value, ensure_ascii=False).replace("|", "\\|") + "`"


def named(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def reason(stage: str, content: str | bytes) -> str:
    """What the reader of a stage says of a file that it does not use."""
    look = STAGES[stage].look
    assert look is not None
    with TemporaryDirectory() as directory:
        path = Path(directory) / "file"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        try:
            return look(path, ANY).recognised.left_out[-1].why
        except ValueError as error:
            return str(error)


def table() -> str:
    lines = ["| conversations (`sft`) | for example |", "| --- | --- |"]
    lines += [f"| {name} | {example(value)} |" for name, value in conversation_files.LAYOUTS.items()]
    others = ", ".join(f"`{key}`" for key in conversation_files.QUESTIONS)
    lines += [f"| others: a question called {others} and an answer called {named(conversation_files.ANSWERS)} | |", ""]
    lines += ["| preferences (`dpo`, `reward`, votes) | for example |", "| --- | --- |"]
    lines += [f"| {name} | {example(value)} |" for name, value in preference_files.LAYOUTS.items()]
    thumb = {"prompt": "What is the hour?", "completion": "Noon.", "label": True}
    single = f"an answer called {named(thumbs.ANSWERS)} and a label called {named(thumbs.LABELS)}"
    lines += [f"| {thumbs.LAYOUT} (`dpo --loss-type kto`, votes): {single} | {example(thumb)} |"]
    lines += ["| Open WebUI's exported feedback | what *Export* there writes |"]
    lines += ["", "| labelled texts (`classify`) | usual names of its columns, in any case |", "| --- | --- |"]
    lines += [f"| the text | {named(TEXTS)}; `{'` with `'.join(JOINED)}` |", f"| the label | {named(LABELS)} |"]
    lines += [f"| no label | {', '.join(f'`{name}`' if name else 'nothing' for name in MISSING)} |", ""]
    lines += ["| texts (`pretrain`) | usual names of a column, where a file has several |", "| --- | --- |"]
    lines += [f"| the text | {named(COLUMNS)} |", ""]
    lines += ["| form | what is read |", "| --- | --- |"]
    lines += [f"| tables | separated by {', '.join(SEPARATORS.values())}; with a header or without |"]
    lines += [f"| JSON | lines; a list; objects in a row; a list in {named(WRAPPERS)}, but not {named(OTHER_PARTS)} |"]
    lines += ["", "| left out or refused | what is said |", "| --- | --- |"]
    lines += [f"| {what} | {reason(stage, content)} |" for what, stage, content in REFUSED]
    return "\n".join(lines) + "\n"


PART = Generated("data.md", "<!-- data: python -m tests.data_table --write -->\n", "<!-- end of data -->", table)


if __name__ == "__main__":
    PART.main(__doc__)
