"""Steering vectors: a direction in the residual stream that leads from answers that lost votes to those that won them.

    v = mean over votes of h(preferred) - h(rejected)    h: the stream behind a block, on average over the answer
    h <- h + strength v                                  at every position, while the model reads and writes

Nothing is trained: v is a difference of means (Rimsky et al. 2024, arXiv:2312.06681; Turner et al. 2023,
arXiv:2308.10248, from one pair). What a block adds to the stream ends with a bias, so that the addition is a change of
that bias: a steered model is a plain model, of the same speed, that can be saved.

Shapes: L layers, N answers, T tokens, C n_embd.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.chat_template import encode_chat
from core.datasets.conversations import Example, collate
from core.datasets.messages import message
from core.datasets.preference_files import Preference, prompt_messages
from core.length_buckets import by_length
from core.linear_cross_entropy import IGNORE_INDEX
from core.model import GPT
from core.rlhf.task_vectors import check_plain, with_parameters
from core.tokenizer import Tokenizer

FEWEST_VOTES = 10  # that prefer an answer: of fewer the mean is mostly what these few happen to say
SIDE_BY_SIDE = 64  # answers read at once


@dataclass(frozen=True, eq=False)
class SteeringVectors:
    vectors: Tensor  # (L, C): one for each layer
    votes: int  # of which they are the mean


def steering_vectors(model: GPT, tokenizer: Tokenizer, votes: Sequence[Preference]) -> SteeringVectors:
    """Mean of the preferred answers less that of the rejected ones, behind each layer; ties tell nothing.

    Of an answer that ends beyond the context the end is read. Raises ValueError in words for fewer than FEWEST_VOTES.
    """
    check_plain(model)
    decided = [vote for vote in votes if not vote.tie]
    if len(decided) < FEWEST_VOTES:
        found = f"{len(decided)} of {len(votes)} votes prefer" if votes else "there are no votes that prefer"
        raise ValueError(
            f"{found} an answer: a steering vector needs at least {FEWEST_VOTES}, so vote on in the Label tab"
        )
    asked = [prompt_messages(vote.prompt, vote.history) for vote in decided]
    better, worse = (
        answer_states(
            model,
            [
                Example(*encode_chat(tokenizer, [*prompt, message("assistant", answer)]))
                for prompt, answer in zip(asked, answers, strict=True)
            ],
        )
        for answers in ([vote.chosen for vote in decided], [vote.rejected for vote in decided])
    )
    return SteeringVectors((better - worse).mean(0), len(decided))


@torch.inference_mode()
def answer_states(model: GPT, texts: Sequence[Example]) -> Tensor:
    """(N, L, C): the residual stream behind each block, on average over the positions that predict the answer."""
    model.eval()
    size = model.config.block_size + 1  # the last token is predicted, not read
    ends = [Example(text.ids[-size:], text.mask[-size:]) for text in texts]
    found = torch.empty(len(ends), model.config.n_layer, model.config.n_embd)
    for some in by_length([len(text.ids) for text in ends], SIDE_BY_SIDE):
        rows = collate([ends[i] for i in some]).to(model.device)
        counts = (rows.targets != IGNORE_INDEX).unsqueeze(-1)  # (N, T, 1)
        T = rows.inputs.shape[1]
        x = model.transformer.wte(rows.inputs) + model.transformer.wpe(torch.arange(T, device=model.device))
        for layer, block in enumerate(model.blocks):
            x = block(x)  # (N, T, C)
            found[some, layer] = ((x * counts).sum(1) / counts.sum(1)).float().cpu()
    return found


def steer(model: GPT, layer: int, vector: Tensor, strength: float = 1.0) -> GPT:
    """A model that adds strength times the vector (C,) to the residual stream behind block `layer`, from 0.

    All other weights are the model's own, so train neither. Raises ValueError if there is no such layer, or the vector
    is of another width.
    """
    check_plain(model)
    config = model.config
    if not 0 <= layer < config.n_layer:
        raise ValueError(f"layer must be between 1 and {config.n_layer}, got {layer + 1}")
    if vector.shape != (config.n_embd,):
        raise ValueError(f"a steering vector for this model has {config.n_embd} numbers, this one has {len(vector)}")
    bias = model.blocks[layer].mlp.c_proj.bias.detach()
    moved = bias + strength * vector.to(bias)
    return with_parameters(model, {f"transformer.h.{layer}.mlp.c_proj.bias": moved})
