"""Block outputs: what the heads and the MLP of a block add to the residual stream.

Shapes: T time (tokens), C n_embd, nh heads, hs head size.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from core.interpretability.activations import Trace, qkv
from core.model import GPT


@dataclass(frozen=True)
class BlockOutputs:
    heads: Tensor  # (T, nh, hs) what each head returns, before c_proj mixes them
    middle: Tensor  # (T, C) the residual stream between attention and MLP
    mlp: Tensor  # (T, C) what the MLP adds to it


@torch.inference_mode()
def block_outputs(model: GPT, seen: Trace, layer: int) -> BlockOutputs:
    """The parts of a block, computed again from what it read in a pass that was traced."""
    block = model.blocks[layer]
    q, k, v = qkv(model, seen, layer)
    heads = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=block.attn.scale).transpose(0, 1)
    middle = seen.residual[layer] + block.attn.c_proj(heads.flatten(1))
    return BlockOutputs(heads, middle, block.mlp(block.ln_2(middle)))
