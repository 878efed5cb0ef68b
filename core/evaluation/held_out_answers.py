"""What a model answers to held-out prompts, as details.jsonl keeps it: before a training and at each evaluation.

Prompts and seeds are the same each time, so that an answer differs only by what was learned.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from core.datasets.messages import Messages, describe_messages
from core.evaluation.instructions import REPLY, reply_ids
from core.generate import Model
from core.tokenizer import Tokenizer

MOST_PROMPTS, MOST_TOKENS = 32, 64


def held_out_answers(model: Model, tokenizer: Tokenizer, asked: Sequence[Messages]) -> list[dict[str, Any]]:
    """For each of the first MOST_PROMPTS: {"prompt", "text", "ended"}, drawn as the chat draws; ended: by itself."""
    some = asked[:MOST_PROMPTS]
    sampling = replace(REPLY, max_new_tokens=min(MOST_TOKENS, model.config.block_size // 2))
    written = reply_ids(model, tokenizer, some, sampling)
    return [
        {
            "prompt": describe_messages(messages),
            "text": tokenizer.decode(ids),
            "ended": len(ids) < sampling.max_new_tokens,
        }
        for messages, ids in zip(some, written, strict=True)
    ]
