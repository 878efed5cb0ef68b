"""Instruction following: whether it does as it is told, and whether its replies fit."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from core.chat_template import encode_chat, encode_prompt, turn_ends
from core.datasets.conversations import Example, collate
from core.datasets.instructions import KINDS, Dialogue, plain_dialogues, single_instruction_dialogues, split
from core.datasets.messages import Messages, message
from core.datasets.shakespeare import plays
from core.generate import Model, Sampling, batch
from core.length_buckets import by_length
from core.linear_cross_entropy import IGNORE_INDEX
from core.model import GPT
from core.rlhf.logprobs import answer_logprobs
from core.tokenizer import Tokenizer

SIDE_BY_SIDE = 64  # texts written or read at once
REPLY = Sampling(max_new_tokens=100)  # otherwise as the chat does it when nothing is changed


def replies(model: Model, tokenizer: Tokenizer, prompts: Sequence[str], sampling: Sampling = REPLY) -> list[str]:
    """What the model answers to each prompt as the user's only message; reply number i is drawn with the seed + i."""
    asked = [[message("user", prompt)] for prompt in prompts]
    return [tokenizer.decode(ids) for ids in reply_ids(model, tokenizer, asked, sampling)]


def reply_ids(model: Model, tokenizer: Tokenizer, asked: Sequence[Messages], sampling: Sampling) -> list[list[int]]:
    """The same as tokens, without what ended them; what was asked may hold earlier turns."""
    room = model.config.block_size - 1  # beside the token that says that the user speaks
    encoded = [[ids[0], *ids[1:][-room:]] for ids in (encode_prompt(tokenizer, messages) for messages in asked)]
    written = []
    for first in range(0, len(encoded), SIDE_BY_SIDE):
        seeded = replace(sampling, seed=sampling.seed + first)
        written += batch(model, encoded[first : first + SIDE_BY_SIDE], seeded, turn_ends(tokenizer))
    return written


def evaluate_instructions(model: GPT, tokenizer: Tokenizer, of_each_kind: int) -> dict[str, float]:
    """Obedience and context on the held-out plays: `follow/all`, `follow/KIND`, `context`, and on how many cases.

    Replies as the chat's.
    """
    _, held_out = split(plays())
    obeyed = instruction_following(model, tokenizer, single_instruction_dialogues(held_out, 0, of_each_kind), REPLY)
    held = plain_dialogues(held_out, 0)[: 5 * of_each_kind]
    return obeyed | {"context": context_accuracy(model, tokenizer, held), "n/replies": len(held)}


def instruction_following(
    model: Model, tokenizer: Tokenizer, asked: Sequence[Dialogue], sampling: Sampling
) -> dict[str, float]:
    """Share of the instructions that the model's replies follow, by rule: `follow/all`, and `follow/KIND` of each.

    With each comes the number of instructions, `n/instructions` and `n/instructions/KIND`.
    """
    written = replies(model, tokenizer, [dialogue.prompt for dialogue in asked], sampling)
    outcomes: dict[str, list[bool]] = {kind: [] for kind in KINDS}
    for dialogue, reply in zip(asked, written, strict=True):
        for instruction in dialogue.instructions:
            outcomes[instruction.kind].append(instruction.is_followed(reply))
    every = [outcome for kind in outcomes.values() for outcome in kind]
    shares = {f"follow/{kind}": sum(seen) / len(seen) for kind, seen in outcomes.items() if seen}
    counts = {f"n/instructions/{kind}": len(seen) for kind, seen in outcomes.items() if seen}
    return {"follow/all": sum(every) / len(every)} | shares | {"n/instructions": len(every)} | counts


def context_accuracy(model: GPT, tokenizer: Tokenizer, held: Sequence[Dialogue]) -> float:
    """Of two cues and their two replies, how often the true pairs are likelier, a token, than the swapped ones.

    Chance is 0.5. Whether a reply is likely after any cue does not matter: it stands on both sides. Each dialogue is
    paired with the next one.
    """
    others = [*held[1:], *held[:1]]
    most = model.config.block_size + 1  # tokens: of what is too long, the end

    def example(cue: Dialogue, reply: Dialogue) -> Example:
        messages = [{"role": "user", "content": cue.cue}, {"role": "assistant", "content": reply.reply}]
        ids, mask = encode_chat(tokenizer, messages)
        return Example(ids[-most:], mask[-most:])

    def losses(cues: Sequence[Dialogue], replies: Sequence[Dialogue]) -> Tensor:
        return reply_losses(model, list(map(example, cues, replies)))

    own, crossed, crossed_back = losses(held, held), losses(held, others), losses(others, held)
    return float((own + own.roll(-1) < crossed + crossed_back).float().mean())


@torch.inference_mode()
def reply_losses(model: GPT, examples: Sequence[Example]) -> Tensor:
    """Mean cross-entropy of each example's targets (N,), in nats a token."""
    model.eval()
    losses = torch.empty(len(examples))
    for some in by_length([len(example.ids) for example in examples], SIDE_BY_SIDE):
        rows = collate([examples[i] for i in some]).to(model.device)
        likely = answer_logprobs(model, rows.inputs, rows.targets)
        losses[some] = (-likely / (rows.targets != IGNORE_INDEX).sum(1)).cpu()
    return losses
