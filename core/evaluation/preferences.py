"""Reward scores of answers, and the KL divergence of a policy from its reference."""

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from core.chat_template import answer_end, encode_prompt
from core.classifier import SequenceClassifier, last_tokens
from core.datasets.conversations import Example, collate
from core.datasets.length_buckets import by_length
from core.datasets.messages import Messages
from core.datasets.preference_pairs import last_token_batch
from core.generate import Sampling, batch
from core.linear_cross_entropy import IGNORE_INDEX
from core.model import GPT
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


@torch.inference_mode()
def response_kl(
    policy: GPT, reference: GPT, tokenizer: Tokenizer, prompts: Sequence[Messages], seed: int, max_new_tokens: int = 64
) -> float:
    """KL(policy || reference) in nats a response: how far the policy has moved from where it began.

    The policy answers the prompts at temperature 1, and at each token of its answers the two whole distributions are
    compared; the sum over an answer is an estimate of its divergence with less noise than log-ratios of what was drawn.
    """
    block_size = policy.config.block_size
    max_new_tokens = min(max_new_tokens, block_size // 2)
    sampling = Sampling(max_new_tokens=max_new_tokens, temperature=1.0, top_p=1.0, seed=seed)
    asked = [encode_prompt(tokenizer, prompt) for prompt in prompts]
    asked = [ids[-(block_size - max_new_tokens) :] for ids in asked]
    end, total = answer_end(tokenizer), 0.0
    for first in range(0, len(asked), SIDE_BY_SIDE):
        some = asked[first : first + SIDE_BY_SIDE]
        seeded = replace(sampling, seed=seed + first)
        said = batch(policy, some, seeded, {end})
        ends = [[end] if len(ids) < max_new_tokens else [] for ids in said]
        rows = collate(
            [
                Example(prompt + ids + end, [False] * len(prompt) + [True] * len(ids + end))
                for prompt, ids, end in zip(some, said, ends, strict=True)
            ]
        ).to(policy.device)
        counts = rows.targets != IGNORE_INDEX
        ours, theirs = (model(rows.inputs)[0][counts].float().log_softmax(-1) for model in (policy, reference.eval()))
        total += F.kl_div(theirs, ours, reduction="sum", log_target=True).item()
    return total / len(asked)
