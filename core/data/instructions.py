"""Conversations as tokens: the format that supervised fine-tuning teaches, and which of its tokens are learned.

    <|user|>What is the matter?<|assistant|>Between who?<|endoftext|>

Only what the assistant says counts in the loss, its closing <|endoftext|> included, so that the model learns to answer
and to stop, and not to ask (Touvron et al. 2023, arXiv:2307.09288, section 3.1, which also leaves the user's tokens out
of the loss).
"""

from collections.abc import Mapping, Sequence

from core.tokenizer import ASSISTANT, END_OF_TEXT, USER, Tokenizer

ROLES = {"user": USER, "assistant": ASSISTANT}


def encode_chat(tokenizer: Tokenizer, messages: Sequence[Mapping[str, str]]) -> tuple[list[int], list[bool]]:
    """Ids of a conversation of {"role", "content"} messages, and its mask: which TOKENS are targets of the loss.

    What people type never becomes a special token. Raises ValueError for a vocabulary without the special tokens, an
    unknown role, no message or an empty one.
    """
    missing = [token for token in (USER, ASSISTANT, END_OF_TEXT) if token not in tokenizer.special_tokens]
    if missing:
        raise ValueError(
            f"this vocabulary has no {' and no '.join(missing)}, so it cannot say whose turn it is: "
            "choose one that was trained here"
        )
    if not messages:
        raise ValueError("the conversation is empty: it needs at least one message")
    ids: list[int] = []
    mask: list[bool] = []
    for number, message in enumerate(messages, 1):
        role, content = message["role"], message["content"]
        if role not in ROLES:
            raise ValueError(f"message {number} has the role {role!r}: it must be {' or '.join(ROLES)}")
        if not content:
            raise ValueError(f"message {number}, of the {role}, is empty")
        said = tokenizer.encode(content)
        counts = role == "assistant"
        ids += [tokenizer.special_tokens[ROLES[role]], *said]
        mask += [False, *[counts] * len(said)]
        if counts:
            ids.append(tokenizer.eot)
            mask.append(True)
    return ids, mask
