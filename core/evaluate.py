"""Measure a checkpoint on held-out data."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from core.checkpoint import Checkpoint
from core.classifier import SequenceClassifier, last_tokens
from core.data.chat import Example, as_batch, encode_chat, encode_prompt, turn_ends
from core.data.classification import Encoded, Labelled
from core.data.corpus import Corpus, plays
from core.data.instructions import KINDS, Dialogue, checkable, plain, split
from core.data.pairs import read_at_end
from core.data.pretraining import HeldOut
from core.generate import Model, Sampling, batch
from core.model import GPT, IGNORE_INDEX
from core.tokenizer import Tokenizer
from core.train.likelihood import answer_logprobs
from core.train.loop import held_out_metrics
from core.train.scores import Scores, majority, score

SIDE_BY_SIDE = 64  # texts written or read at once
REPLY = Sampling(max_new_tokens=100)  # otherwise as the chat does it when nothing is changed


def bits_per_byte(checkpoint: Checkpoint[GPT], corpus: Corpus, batch_size: int = 16) -> float:
    """Bits that the model needs for a byte of the corpus's validation text; lower is better."""
    model = checkpoint.model
    held_out = HeldOut(corpus.val, checkpoint.tokenizer, model.config.block_size, batch_size)
    return held_out_metrics(model, held_out)["bpb/val"]


# --- conversations --------------------------------------------------------------------------------------------


def replies(model: Model, tokenizer: Tokenizer, prompts: Sequence[str], sampling: Sampling = REPLY) -> list[str]:
    """What the model answers to each prompt as the user's only message; reply number i is drawn with the seed + i."""
    asked = [encode_prompt(tokenizer, [{"role": "user", "content": prompt}]) for prompt in prompts]
    room = model.config.block_size - 1  # beside the token that says that the user speaks
    encoded = [[ids[0], *ids[1:][-room:]] for ids in asked]
    written = []
    for first in range(0, len(encoded), SIDE_BY_SIDE):
        some = encoded[first : first + SIDE_BY_SIDE]
        seeded = Sampling(**sampling.to_dict() | {"seed": sampling.seed + first})
        written += batch(model, some, seeded, turn_ends(tokenizer))
    return [tokenizer.decode(ids) for ids in written]


def conversation(model: GPT, tokenizer: Tokenizer, of_each_kind: int) -> dict[str, float]:
    """Obedience and context on the held-out plays: `follow/all`, `follow/KIND`, `context`. Replies as the chat's."""
    _, held_out = split(plays())
    obeyed = instruction_following(model, tokenizer, checkable(held_out, 0, of_each_kind), REPLY)
    return obeyed | {"context": context_accuracy(model, tokenizer, plain(held_out, 0)[: 5 * of_each_kind])}


def instruction_following(
    model: Model, tokenizer: Tokenizer, asked: Sequence[Dialogue], sampling: Sampling
) -> dict[str, float]:
    """Share of the instructions that the model's replies follow, by rule: `follow/all`, and `follow/KIND` of each."""
    written = replies(model, tokenizer, [dialogue.prompt for dialogue in asked], sampling)
    outcomes: dict[str, list[bool]] = {kind: [] for kind in KINDS}
    for dialogue, reply in zip(asked, written, strict=True):
        for instruction in dialogue.instructions:
            outcomes[instruction.kind].append(instruction.is_followed(reply))
    every = [outcome for kind in outcomes.values() for outcome in kind]
    shares = {f"follow/{kind}": sum(seen) / len(seen) for kind, seen in outcomes.items() if seen}
    return {"follow/all": sum(every) / len(every)} | shares


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
        return torch.tensor(reply_losses(model, list(map(example, cues, replies))))

    own, crossed, crossed_back = losses(held, held), losses(held, others), losses(others, held)
    return float((own + own.roll(-1) < crossed + crossed_back).float().mean())


@torch.inference_mode()
def reply_losses(model: GPT, examples: Sequence[Example]) -> list[float]:
    """Mean cross-entropy of each example's targets, in nats a token."""
    model.eval()
    losses: list[float] = []
    for first in range(0, len(examples), SIDE_BY_SIDE):
        rows = as_batch(examples[first : first + SIDE_BY_SIDE]).to(model.device)
        likely = answer_logprobs(model, rows.inputs, rows.targets)
        losses += (-likely / (rows.targets != IGNORE_INDEX).sum(1)).tolist()
    return losses


# --- preferences ----------------------------------------------------------------------------------------------


def reward_scores(
    model: SequenceClassifier, tokenizer: Tokenizer, prompts: Sequence[str], answers: Sequence[str]
) -> list[float]:
    """What the reward model thinks of each answer to its prompt; of a text longer than the context it reads the end."""
    asked = [encode_prompt(tokenizer, [{"role": "user", "content": prompt}]) for prompt in prompts]
    whole = [ids + tokenizer.encode(a) + [tokenizer.eot] for ids, a in zip(asked, answers, strict=True)]
    return scores_of(model, [ids[-model.config.block_size :] for ids in whole]).tolist()


@torch.inference_mode()
def scores_of(model: SequenceClassifier, texts: Sequence[Sequence[int]]) -> Tensor:
    """The score (N,) of each text, given as tokens, read at its last one."""
    model.eval()
    scores = []
    for first in range(0, len(texts), SIDE_BY_SIDE):
        rows = read_at_end(texts[first : first + SIDE_BY_SIDE]).to(model.device)
        scores.append(model(rows.inputs, last_tokens(rows.targets))[:, 0].cpu())
    return torch.cat(scores)


@torch.inference_mode()
def response_kl(
    policy: GPT, reference: GPT, tokenizer: Tokenizer, prompts: Sequence[str], seed: int, max_new_tokens: int = 64
) -> float:
    """KL(policy || reference) in nats a response: how far the policy has moved from where it began.

    The policy answers the prompts at temperature 1, and at each token of its answers the two whole distributions are
    compared; the sum over an answer is an estimate of its divergence with less noise than log-ratios of what was drawn.
    """
    block_size = policy.config.block_size
    max_new_tokens = min(max_new_tokens, block_size // 2)
    sampling = Sampling(max_new_tokens=max_new_tokens, temperature=1.0, top_p=1.0, seed=seed)
    asked = [encode_prompt(tokenizer, [{"role": "user", "content": prompt}]) for prompt in prompts]
    asked = [ids[-(block_size - max_new_tokens) :] for ids in asked]
    total = 0.0
    for first in range(0, len(asked), SIDE_BY_SIDE):
        some = asked[first : first + SIDE_BY_SIDE]
        seeded = replace(sampling, seed=seed + first)
        said = batch(policy, some, seeded, {tokenizer.eot})
        ends = [[tokenizer.eot] if len(ids) < max_new_tokens else [] for ids in said]
        rows = as_batch(
            [
                Example(prompt + ids + end, [False] * len(prompt) + [True] * len(ids + end))
                for prompt, ids, end in zip(some, said, ends, strict=True)
            ]
        ).to(policy.device)
        counts = rows.targets != IGNORE_INDEX
        ours, theirs = (model(rows.inputs)[0][counts].float().log_softmax(-1) for model in (policy, reference.eval()))
        total += F.kl_div(theirs, ours, reduction="sum", log_target=True).item()
    return total / len(asked)


# --- classification -------------------------------------------------------------------------------------------


def classification(
    checkpoint: Checkpoint[SequenceClassifier], labelled: Labelled, batch_size: int = 32
) -> dict[str, Any]:
    """How the classifier does on the held-out texts: {"accuracy", "f1" (macro), "recall" {label: share},
    "confusion" (rows true classes, columns answers)}.

    Raises ValueError if its labels are not those of the texts.
    """
    model = checkpoint.model
    if model.labels != labelled.labels:
        raise ValueError(
            f"the classifier knows {', '.join(model.labels)}, but the texts are labelled {', '.join(labelled.labels)}: "
            "measure it on texts with its own labels"
        )
    max_tokens = checkpoint.card.config.get("max_tokens") or model.config.block_size
    encoded = Encoded(labelled.val, checkpoint.tokenizer, min(max_tokens, model.config.block_size))
    return described(score(model, encoded.all(batch_size)), labelled)


def majority_class(labelled: Labelled) -> dict[str, Any]:
    """The same measures for who always answers the commonest class of the training texts."""
    train, val = ([example.label for example in part] for part in (labelled.train, labelled.val))
    return described(majority(train, val, len(labelled.labels)), labelled)


def described(scores: Scores, labelled: Labelled) -> dict[str, Any]:
    recall = {
        label: float(share)
        for label, share, count in zip(labelled.labels, scores.recall, scores.confusion.sum(1), strict=True)
        if count
    }
    return {"accuracy": scores.accuracy, "f1": scores.f1, "recall": recall, "confusion": scores.confusion.tolist()}
