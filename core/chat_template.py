"""Chat templates: what stands around each message of a conversation, so that a model reads whose turn it is.

    chat     <|user|>What is the matter?<|assistant|>Between who?<|endoftext|>
    alpaca   Below is an instruction that ...

             ### Instruction:
             What is the matter?

             ### Response:
             Between who?<|endoftext|>

A vocabulary carries its template as Hugging Face does, as a Jinja text (`Tokenizer.chat_template`, kept in
tokenizer_config.json), so that `apply_chat_template` there and `encode_chat` here give the same ids. Those of the
templates below are known by their text; no other is executed here.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.tokenizer import ASSISTANT, END_OF_TEXT, PAD, USER, Tokenizer

AUTO = "auto"  # the template that the vocabulary has; `chat` where it has none
BLANK_LINE = "\n\n"
ROLES = ("system", "user", "assistant")

NO_USER = "no message of the user follows the system message, at whose head it would stand"

Marks = tuple[str, str]  # what stands before a message, and behind it; names of special tokens in it mean the tokens


@dataclass(frozen=True)
class ChatTemplate:
    name: str
    user: Marks
    assistant: Marks
    system: Marks | None = None  # None: a system message stands at the head of the user's next one
    head: str = ""  # before all messages
    tokens: tuple[str, ...] = ()  # special tokens in the marks, beside <|endoftext|>
    input_heading: str = BLANK_LINE  # between an instruction and the text that it is about, where data keeps them apart
    strips: bool = False  # blanks around a message would change the tokens of marks that are plain text

    def content(self, message: Mapping[str, str]) -> str:
        return message["content"].strip() if self.strips else message["content"]

    @property
    def jinja(self) -> str:
        """The template as Hugging Face reads it: the same marks around the same messages."""
        said = "(message['content'] | trim)" if self.strips else "message['content']"
        system = f"{{%- set before.text = before.text + {said} + '\\n\\n' -%}}"
        return "\n".join(
            [
                "{%- set before = namespace(text='') -%}",
                f"{{{{- {json.dumps(self.head)} -}}}}",
                "{%- for message in messages -%}",
                "{%- if message['role'] == 'system' -%}",
                jinja_turn(self.system, said) if self.system else system,
                "{%- elif message['role'] == 'user' -%}",
                jinja_turn(self.user, f"before.text + {said}") + "{%- set before.text = '' -%}",
                "{%- elif message['role'] == 'assistant' -%}",
                jinja_turn(self.assistant, said),
                "{%- else -%}",
                f"{{{{- raise_exception('the role of a message must be one of {', '.join(ROLES)}') -}}}}",
                "{%- endif -%}",
                "{%- endfor -%}",
                f"{{%- if before.text -%}}{{{{- raise_exception('{NO_USER}') -}}}}{{%- endif -%}}",
                f"{{%- if add_generation_prompt -%}}{{{{- {json.dumps(self.assistant[0])} -}}}}{{%- endif -%}}",
            ]
        )


def jinja_turn(marks: Marks, content: str) -> str:
    before, behind = map(json.dumps, marks)
    return f"{{{{- {before} + {content} + {behind} -}}}}"


CHAT = ChatTemplate("chat", (USER, ""), (ASSISTANT, END_OF_TEXT), tokens=(USER, ASSISTANT))
ALPACA = ChatTemplate(  # Taori et al. 2023, "Stanford Alpaca", as Raschka's book writes it
    "alpaca",
    ("\n\n### Instruction:\n", ""),
    ("\n\n### Response:\n", END_OF_TEXT),
    head="Below is an instruction that describes a task. Write a response that appropriately completes the request.",
    input_heading="\n\n### Input:\n",
    strips=True,
)
START, END = "<|im_start|>", "<|im_end|>"
CHATML = ChatTemplate(
    "chatml",
    (f"{START}user\n", f"{END}\n"),
    (f"{START}assistant\n", f"{END}\n"),
    (f"{START}system\n", f"{END}\n"),
    tokens=(START, END),
)
DIALOGPT = ChatTemplate("dialogpt", ("", END_OF_TEXT), ("", END_OF_TEXT), ("", END_OF_TEXT))
TEMPLATES = {template.name: template for template in (CHAT, ALPACA, CHATML, DIALOGPT)}
BY_JINJA = {template.jinja: template for template in TEMPLATES.values()}


# --- of a vocabulary ------------------------------------------------------------------------------------------


def known_template(tokenizer: Tokenizer) -> ChatTemplate | None:
    """The template that a vocabulary has, or that its special tokens are made for; None if neither is known here."""
    if tokenizer.chat_template is not None:
        return BY_JINJA.get(tokenizer.chat_template)
    made_for = (t for t in (CHAT, CHATML) if all(token in tokenizer.special_tokens for token in t.tokens))
    return next(made_for, None)


def template_of(tokenizer: Tokenizer) -> ChatTemplate:
    """The template that a vocabulary has. Raises ValueError if there is none that is known here."""
    template = known_template(tokenizer)
    if template is None:
        missing = [token for token in CHAT.tokens if token not in tokenizer.special_tokens]
        raise ValueError(
            f"this vocabulary has no {' and no '.join(missing)}, so it cannot say whose turn it is: "
            "fine-tune the model on instructions first, which adds them"
            if tokenizer.chat_template is None
            else "the chat template of this vocabulary is not one that is known here: fine-tune the model on "
            "instructions first, which gives it another"
        )
    return template


def with_template(tokenizer: Tokenizer, name: str = AUTO) -> Tokenizer:
    """The vocabulary with a template of TEMPLATES, and with the special tokens that it needs, behind all others."""
    template = known_template(tokenizer) or CHAT if name == AUTO else TEMPLATES[name]
    return tokenizer.extended(template.tokens, template.jinja)


def describe_added(before: Tokenizer, after: Tokenizer) -> str:
    """In words, which tokens a vocabulary gets; "" if none."""
    added = [f"{token} ({id:,})" for token, id in after.special_tokens.items() if token not in before.special_tokens]
    return f"{' and '.join(added)} are added to the vocabulary, to say whose turn it is." if added else ""


def with_padding(tokenizer: Tokenizer) -> Tokenizer:
    """The vocabulary with a token to pad with that no answer ends with: by it a reward model of Hugging Face's sees
    where an answer ends."""
    ends_with_it = padding_token(tokenizer) == END_OF_TEXT
    return tokenizer.extended([PAD] if ends_with_it else [], tokenizer.chat_template)


def padding_token(tokenizer: Tokenizer) -> str:
    """What fills up the shorter texts of a batch. Nothing ends with <|user|>, answers end with <|endoftext|>."""
    return next((token for token in (PAD, USER) if token in tokenizer.special_tokens), END_OF_TEXT)


def reads(reader: Tokenizer, writer: Tokenizer) -> bool:
    """Does a model with the vocabulary `reader` read what one with the vocabulary `writer` writes, ids and turns?"""
    same_words = writer.ranks == reader.ranks and writer.words.ids == reader.words.ids
    same_ids = same_words and writer.special_tokens.items() <= reader.special_tokens.items()
    return same_ids and known_template(reader) == known_template(writer)


# --- of a conversation ----------------------------------------------------------------------------------------


def merge_system(messages: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """The messages without those of the system: each heads the next one of the user, a blank line between.

    Raises ValueError if none of the user's follows.
    """
    merged: list[dict[str, str]] = []
    before: list[str] = []
    for message in messages:
        if message["role"] == "system":
            before.append(message["content"])
        elif message["role"] == "user":
            merged.append({"role": "user", "content": "\n\n".join([*before, message["content"]])})
            before = []
        else:
            merged.append(dict(message))
    if before:
        raise ValueError(NO_USER)
    return merged


def check_messages(messages: Sequence[Mapping[str, str]]) -> None:
    """Raise ValueError for no message, one by an unknown role, and an empty one."""
    if not messages:
        raise ValueError("the conversation is empty: it needs at least one message")
    for number, message in enumerate(messages, 1):
        role = message["role"]
        if role not in ROLES:
            raise ValueError(f"message {number} has the role {role!r}: it must be {', '.join(ROLES)}")
        if not message["content"]:
            raise ValueError(f"message {number}, of the {role}, is empty")


def encode_turns(tokenizer: Tokenizer, messages: Sequence[Mapping[str, str]]) -> list[tuple[list[int], list[bool]]]:
    """Each {"role", "content"} message with its marks as ids, and its mask: which TOKENS are targets of the loss.

    Of the assistant's messages these are the content and the token that ends them. Messages of the system belong to the
    next one. What people type never becomes a special token. Raises ValueError for a vocabulary without a template, and
    as `check_messages` and `merge_system` do.
    """
    template = template_of(tokenizer)
    check_messages(messages := [{**message, "content": template.content(message)} for message in messages])
    if template.system is None:
        messages = merge_system(messages)
    marks = {"system": template.system or ("", ""), "user": template.user, "assistant": template.assistant}
    turns = []
    ids = encode_marks(tokenizer, template.head)
    mask = [False] * len(ids)
    for message in messages:
        before, behind = (encode_marks(tokenizer, mark) for mark in marks[message["role"]])
        said = tokenizer.encode(message["content"])
        counts = message["role"] == "assistant"
        ids += [*before, *said, *behind]
        mask += [False] * len(before) + [counts] * len(said) + [counts and n == 0 for n in range(len(behind))]
        if message["role"] != "system":
            turns.append((ids, mask))
            ids, mask = [], []
    return [*turns, (ids, mask)] if ids else turns


def encode_chat(tokenizer: Tokenizer, messages: Sequence[Mapping[str, str]]) -> tuple[list[int], list[bool]]:
    """Ids of a conversation, and its mask. ValueErrors as in `encode_turns`."""
    turns = encode_turns(tokenizer, messages)
    return [id for ids, _ in turns for id in ids], [counts for _, mask in turns for counts in mask]


def encode_prompt(tokenizer: Tokenizer, messages: Sequence[Mapping[str, str]]) -> list[int]:
    """Ids of a conversation so far, and the sign that it is the assistant's turn. ValueErrors as in `encode_turns`."""
    return [*encode_chat(tokenizer, messages)[0], *encode_marks(tokenizer, template_of(tokenizer).assistant[0])]


def encode_marks(tokenizer: Tokenizer, text: str) -> list[int]:
    """Ids of a text of ours, in which the name of a special token means that token."""
    return tokenizer.encoding.encode(text, allowed_special="all")


def answer_end(tokenizer: Tokenizer) -> int:
    """The id with which an answer ends when it is learned."""
    return encode_marks(tokenizer, template_of(tokenizer).assistant[1])[0]


def turn_ends(tokenizer: Tokenizer) -> set[int]:
    """The ids with which an answer ends, whatever was meant to follow."""
    marks = (tokenizer.special_tokens[token] for token in template_of(tokenizer).tokens)
    return {tokenizer.eot, answer_end(tokenizer), *marks}


def question(tokenizer: Tokenizer, ids: Iterable[int]) -> str:
    """What the user says in ids that `encode_prompt` has made of one message, all of them or their end."""
    template = template_of(tokenizer)
    text = tokenizer.decode(ids).removesuffix(template.user[1] + template.assistant[0])
    return text.removeprefix(template.head + template.user[0])
