"""Chat templates of others, Jinja texts, compared with those of core/chat_template.py by what conversations become.

A template is a program, so it runs in Jinja's sandbox, in a process of its own with a limit of time.
"""

import json
import subprocess
import sys
from typing import Any

from core import child
from core.chat_template import TEMPLATES, ChatTemplate
from core.tokenizer import END_OF_TEXT, Tokenizer

SECONDS = 20
USER, ASSISTANT = {"role": "user", "content": "Who's there?"}, {"role": "assistant", "content": "Nay, answer me."}
SYSTEM = {"role": "system", "content": "It is night."}
CASES = ([USER], [USER, ASSISTANT], [USER, ASSISTANT, USER], [SYSTEM, USER], [SYSTEM, USER, ASSISTANT])


def recognise(source: str, tokenizer: Tokenizer) -> ChatTemplate | None:
    """The template of ours that makes the same texts as `source`, whose tokens the vocabulary has; None if none does.

    A `source` that knows no system messages is compared without them.
    """
    fitting = [t for t in TEMPLATES.values() if all(token in tokenizer.special_tokens for token in t.tokens)]
    theirs, *ours = render([source, *(template.jinja for template in fitting)])
    if theirs[0] is None:
        return None
    for template, texts in zip(fitting, ours, strict=True):
        pairs = zip(CASES, theirs, texts, strict=True)
        if all(a == b or (a is None and SYSTEM in case) for case, a, b in pairs):
            return template
    return None


def render(sources: list[str]) -> list[list[str | None]]:
    """What each template makes of each of CASES, None where it refuses; all None if they take too long."""
    command = child.command(__name__)
    try:
        done = subprocess.run(command, input=json.dumps(sources), capture_output=True, text=True, timeout=SECONDS)
        found: list[list[str | None]] = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return [[None] * len(CASES) for _ in sources]
    return found


def rendered(source: str, messages: list[dict[str, str]]) -> str | None:
    from jinja2 import TemplateError  # noqa: PLC0415 (in the process that renders alone)
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    def refuse(reason: str) -> Any:
        raise TemplateError(reason)

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = refuse
    tokens = dict.fromkeys(("bos_token", "eos_token"), END_OF_TEXT)
    try:
        asks = messages[-1]["role"] == "user"
        return environment.from_string(source).render(messages=messages, add_generation_prompt=asks, **tokens)
    except Exception:  # whatever a program of others does: then it is none that is known here
        return None


if __name__ == "__main__":
    json.dump([[rendered(source, case) for case in CASES] for source in json.load(sys.stdin)], sys.stdout)
