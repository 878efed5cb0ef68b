"""A small preference model: which of two answers a person will choose, learned from a few votes in milliseconds.

    P(left is chosen) = sigmoid(w . (f(x, left) - f(x, right)))

Logistic Bradley-Terry: the reward model's loss (core/stages/reward_model.py) on features f of a language model that
stays as it is. A reward model learns to see more, in a minute; this one is there before the next pair.

Shapes: n answers or votes, F features, C n_embd.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from core.chat_template import encode_chat
from core.datasets.messages import Messages, message
from core.model import GPT
from core.tokenizer import Tokenizer

AT_ONCE = 64  # answers read side by side
# Chosen on votes by the four rules of core/preferences/rule_annotators.py: of the values that were about equally often
# right (from 0.001 to 0.01, and from 0.2 to 0.7), ones that do not become too sure of themselves where a person is not
# always the same.
RIDGE = 0.005  # pull of w towards 0
LENGTH_WEIGHT = 0.4  # of the length beside all others together
STEPS = 8  # of Newton's method, which is then at the minimum


@torch.inference_mode()
def features(model: GPT, tokenizer: Tokenizer, prompts: Sequence[Messages], answers: Sequence[str]) -> np.ndarray:
    """(n, 3 C + 1): the embeddings of the answer's tokens on average; what the last layer holds over them on average,
    and at their end; log of their number.

    Of a text longer than the context the end is read. The embeddings tell which words were said: the last layer, busy
    with the next one, has half forgotten them. With them, 30 votes for "mentions love" foretell 76 % instead of 70 %.
    """
    model.eval()
    size, found = model.config.block_size, []
    texts = []
    for prompt, answer in zip(prompts, answers, strict=True):
        ids, mask = encode_chat(tokenizer, [*prompt, message("assistant", answer)])
        texts.append((ids[-size:], mask[-size:]))
    for first in range(0, len(texts), AT_ONCE):
        some = texts[first : first + AT_ONCE]
        idx = torch.zeros(len(some), max(len(ids) for ids, _ in some), dtype=torch.long)
        for row, (ids, _) in enumerate(some):
            idx[row, : len(ids)] = torch.tensor(ids)
        idx = idx.to(model.device)
        words = model.transformer.wte(idx).float().cpu()  # (B, T, C)
        hidden = model.hidden(idx).float().cpu()  # (B, T, C)
        for w, x, (ids, mask) in zip(words, hidden, some, strict=True):
            of_answer = torch.tensor(mask)
            w, x = w[: len(ids)][of_answer], x[: len(ids)][of_answer]
            found.append(torch.cat([w.mean(0), x.mean(0), x[-1], torch.tensor([math.log(len(x))])]))
    return torch.stack(found).double().numpy()


@dataclass(frozen=True)
class PreferenceModel:
    weights: np.ndarray  # (F,) of the features as they are

    @classmethod
    def fit(cls, differences: np.ndarray, outcomes: np.ndarray) -> "PreferenceModel":
        """differences (n, F): features of left less those of right. outcomes (n,): 1 left, 0 right, 1/2 neither.

        The minimum of the mean cross-entropy plus RIDGE |w|^2 / 2 by Newton's method, on features of unit scale. Few
        votes have fewer dimensions than features: the minimum lies in the span of the differences, so n numbers are
        looked for, not F (the representer theorem).
        """
        scale = weighted_scale(differences)
        x = differences * scale
        kernel, n = x @ x.T, len(x)
        alpha = np.zeros(n)
        for _ in range(STEPS):
            p = sigmoid(kernel @ alpha)
            curvature = np.maximum(p * (1 - p), 1e-6)
            # Newton's step for alpha: (K + n RIDGE / curvature) alpha = K alpha + (y - p) / curvature
            target = kernel @ alpha + (outcomes - p) / curvature
            alpha = np.linalg.solve(kernel + np.diag(n * RIDGE / curvature), target)
        return cls(x.T @ alpha * scale)

    def probability(self, difference: np.ndarray) -> float:
        """That left will be chosen, given the features of left less those of right, (F,)."""
        return float(sigmoid(difference @ self.weights))


def weighted_scale(differences: np.ndarray) -> np.ndarray:
    """(F,): what brings the features to unit scale, and the length to a weight of its own beside all the others."""
    others = differences.shape[1] - 1
    weights = np.concatenate([np.full(others, 1 / math.sqrt(others)), [LENGTH_WEIGHT]])
    scale: np.ndarray = weights / (np.sqrt((differences**2).mean(0)) + 1e-8)
    return scale


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(x / 2))  # which cannot overflow
