"""Direct logit attribution: a logit as the sum of what embeddings, heads, MLPs and biases add to it.

The residual stream is a sum, and the head is linear (Elhage et al. 2021, "A Mathematical Framework for Transformer
Circuits"); only the last layer norm stands between them, as in the logit lens (nostalgebraist 2020). What it divides by
is held at what it was in this pass; the rest of it is linear too, so the terms add up to the logit exactly. What a part
does through later layers is not in its own term, but in theirs.

Shapes: L n_layer, nh heads, hs head size, C n_embd.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from core.interpretability.activations import Trace, unembed
from core.interpretability.block_outputs import block_outputs
from core.model import GPT


@dataclass(frozen=True)
class Attribution:
    """The terms of one logit, or of one logit minus another."""

    token_embedding: float
    position_embedding: float
    heads: Tensor  # (L, nh) with the bias that a head's values have, without that of c_proj
    mlps: Tensor  # (L,) without the bias of c_proj
    biases: float  # those of attention's and the MLP's c_proj in every layer, and that of the last layer norm
    n_biases: int  # how many vectors they are
    logit: float  # as the model itself computes it

    @property
    def total(self) -> float:
        """The sum of all terms, in double precision: the logit, but for rounding in the model's arithmetic."""
        parts = float(self.heads.double().sum() + self.mlps.double().sum())
        return self.token_embedding + self.position_embedding + parts + self.biases


@torch.inference_mode()
def attribute(model: GPT, seen: Trace, position: int, token: int, against: int | None = None) -> Attribution:
    """What each part adds to the logit of `token` after the token at `position`, minus that of `against` if given.

    Raises ValueError for a token that is not in the vocabulary.
    """
    for id in (token, *([] if against is None else [against])):
        if not 0 <= id < model.config.vocab_size:
            raise ValueError(f"token must be from 0 to {model.config.vocab_size - 1}, got {id}")
    position %= len(seen.ids)
    transformer, stream = model.transformer, seen.residual[-1, position]
    row = model.lm_head.weight[token] - (0 if against is None else model.lm_head.weight[against])  # (C,)
    gained = transformer.ln_f.weight * row
    scale = (stream.var(correction=0) + transformer.ln_f.eps).sqrt()
    direction = (gained - gained.mean()) / scale  # the layer norm takes the mean off whatever it reads

    heads, mlps, biases = [], [], float(transformer.ln_f.bias @ row)
    for layer, block in enumerate(model.blocks):
        found = block_outputs(model, seen, layer)
        read = (block.attn.c_proj.weight.T @ direction).view(model.config.n_head, -1)  # (nh, hs)
        heads.append((found.heads[position] * read).sum(-1))
        mlps.append((found.mlp[position] - block.mlp.c_proj.bias) @ direction)
        biases += float((block.attn.c_proj.bias + block.mlp.c_proj.bias) @ direction)
    logits = unembed(model, stream)
    return Attribution(
        token_embedding=float(transformer.wte.weight[seen.ids[position]] @ direction),
        position_embedding=float(transformer.wpe.weight[position] @ direction),
        heads=torch.stack(heads).float().cpu(),
        mlps=torch.stack(mlps).float().cpu(),
        biases=biases,
        n_biases=2 * model.config.n_layer + 1,
        logit=float(logits[token] - (0 if against is None else logits[against])),
    )
