"""Reward scores of answers, how votes are ranked, and the KL divergence of a policy from its reference."""

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from core.chat_template import answer_end, encode_prompt, turn_ends
from core.classifier import SequenceClassifier, last_tokens
from core.datasets.conversations import Example, collate
from core.datasets.messages import Messages
from core.datasets.preference_files import Preference
from core.datasets.preference_pairs import last_token_batch
from core.datasets.thumbs import Thumb
from core.generate import Sampling, batch
from core.length_buckets import OF_LIKE_LENGTH, by_length
from core.linear_cross_entropy import IGNORE_INDEX
from core.model import GPT
from core.rlhf.logprobs import logits_of, ranked_right
from core.tokenizer import Tokenizer

SIDE_BY_SIDE = 64  # texts written or read at once


def reward_scores(
    model: SequenceClassifier, tokenizer: Tokenizer, prompts: Sequence[str], answers: Sequence[str]
) -> list[float]:
    """What the reward model thinks of each answer to its prompt; of a text longer than the context it reads the end."""
    asked = [encode_prompt(tokenizer, [{"role": "user", "content": prompt}]) for prompt in prompts]
    whole = [ids + tokenizer.encode(a) + [answer_end(tokenizer)] for ids, a in zip(asked, answers, strict=True)]
    return reward_scores_of_ids(model, [ids[-model.config.block_size :] for ids in whole]).tolist()


@torch.inference_mode()
def reward_scores_of_ids(model: SequenceClassifier, texts: Sequence[Sequence[int]]) -> Tensor:
    """The score (N,) of each text, given as tokens, read at its last one."""
    model.eval()
    scores = torch.empty(len(texts))
    for some in by_length(list(map(len, texts)), SIDE_BY_SIDE):
        rows = last_token_batch([texts[i] for i in some]).to(model.device)
        scores[some] = model(rows.inputs, last_tokens(rows.targets))[:, 0].float().cpu()
    return scores


def vote_metrics(margins: Tensor, texts: Sequence[Preference | Thumb]) -> dict[str, float]:
    """How held-out votes are ranked by margins (P,): the share ranked right and the mean margin, without the ties.

    Both are the mean over prompts of the mean over a prompt's votes: votes on one prompt are alike. With them come the
    number of votes, `n/votes`, and of prompts, `n/prompts`, which is the n of an interval.
    """
    decided = [i for i, text in enumerate(texts) if not text.tie]
    prompts = {asked: i for i, asked in enumerate(dict.fromkeys(texts[i].asked for i in decided))}
    place = torch.tensor([prompts[texts[i].asked] for i in decided])

    def mean_by_prompt(values: Tensor) -> float:
        return (torch.zeros(len(prompts)).index_add(0, place, values) / place.bincount()).mean().item()

    margins = margins[decided]
    return {
        "accuracy/val": mean_by_prompt(ranked_right(margins, torch.ones_like(margins))),
        "margin/val": mean_by_prompt(margins),
        "n/votes": len(decided),
        "n/prompts": len(prompts),
    }


def response_kl(
    policy: GPT,
    reference: GPT,
    tokenizer: Tokenizer,
    prompts: Sequence[Messages],
    seed: int,
    max_new_tokens: int = 64,
    temperature: float = 1.0,
) -> float:
    """KL(policy || reference) in nats a response: how far the policy has moved from where it began.

    The policy answers the prompts at `temperature`, at which both are meant: see `answer_kl`.
    """
    block_size = policy.config.block_size
    max_new_tokens = min(max_new_tokens, block_size // 2)
    sampling = Sampling(max_new_tokens=max_new_tokens, temperature=temperature, top_p=1.0, seed=seed)
    asked = [encode_prompt(tokenizer, prompt) for prompt in prompts]
    asked = [ids[-(block_size - max_new_tokens) :] for ids in asked]
    stop, total = turn_ends(tokenizer), 0.0
    for first in range(0, len(asked), SIDE_BY_SIDE):
        some = asked[first : first + SIDE_BY_SIDE]
        said = batch(policy, some, replace(sampling, seed=seed + first), stop, with_stop=True)
        written = [
            Example(prompt + ids, [False] * len(prompt) + [True] * len(ids))
            for prompt, ids in zip(some, said, strict=True)
        ]
        total += answer_kl(policy, reference, written, temperature).sum().item()
    return total / len(asked)


@torch.inference_mode()
def answer_kl(policy: GPT, reference: GPT, written: Sequence[Example], temperature: float = 1.0) -> Tensor:
    """KL(policy || reference) in nats, (N,), of answers that the policy has drawn at `temperature`.

    At each of an answer's tokens the two whole distributions are compared; the sum over the answer is an estimate of
    the divergence with less noise than log-ratios of what was drawn. written: prompts with their answers, whose tokens
    are the ones that are learned.
    """
    found = torch.empty(len(written))
    for some in by_length([len(text.ids) for text in written], OF_LIKE_LENGTH):
        rows = collate([written[i] for i in some]).to(policy.device)
        counts = rows.targets != IGNORE_INDEX
        both = (policy.eval(), reference.eval())
        ours, theirs = (logits_of(gpt, gpt.hidden(rows.inputs)[counts], temperature).log_softmax(-1) for gpt in both)
        apart = F.kl_div(theirs, ours, reduction="none", log_target=True).sum(-1)
        found[some] = torch.zeros(counts.shape, device=counts.device).masked_scatter(counts, apart).sum(1).cpu()
    return found
