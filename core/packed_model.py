"""Packed weights for fast generation: a model on a CPU waits for its weights to be read, not for arithmetic.

`F.linear` with a single row reads its matrix with one core, far below the memory's speed (pytorch/pytorch#96643), and
where a model is small, Python's walk through its modules takes as long as the arithmetic. `PackedGPT` reads with all
cores, optionally fewer bytes (weights rounded to 16 bits, or to 8), and runs its layers in one flat loop. The model it
is made from stays the oracle.

Shapes: B texts, T new tokens, M rows (B x T), C n_embd, K inputs, N outputs, W ways into which K is split.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from core.model import ACTIVATIONS, GPT, KVCache

# What may be done to the weights, and what of the model is then kept.
PRECISIONS = {
    "float32": "full precision",
    "float16": "weights rounded to 16 bits, arithmetic in float32",
    "int8": "weights, and the inputs of every layer, rounded to 8 bits",
}
FEW_ROWS = 32  # with more, arithmetic counts, and F.linear is best at that

Product = Callable[[Tensor], Tensor]  # (M, K) -> (M, N)


@dataclass(frozen=True)
class Layer:
    """A block's products, and its layer norms' weights and biases."""

    ln_1: tuple[Tensor, Tensor]
    c_attn: Product
    attn_c_proj: Product
    ln_2: tuple[Tensor, Tensor]
    c_fc: Product
    mlp_c_proj: Product


class PackedGPT:
    """What `model` computes, for generation on a CPU; it takes the model's place in `generate`.

    Embeddings, norms and biases are the model's own, matrices are copies: pack the model anew after training it.
    Raises ValueError for an unknown precision, one that this processor lacks, or a model that is not on the CPU.
    """

    def __init__(self, model: GPT, precision: str = "float32"):
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        if model.device.type != "cpu":
            raise ValueError(f"only a model on the CPU can be packed, this one is on {model.device.type}")
        self.config, self.device, self.transformer = model.config, model.device, model.transformer
        self.scale = model.blocks[0].attn.scale
        self.head = pack(model.lm_head, precision)
        self.layers = [
            Layer(
                (block.ln_1.weight.detach(), block.ln_1.bias.detach()),
                pack(block.attn.c_attn, precision),
                pack(block.attn.c_proj, precision),
                (block.ln_2.weight.detach(), block.ln_2.bias.detach()),
                pack(block.mlp.c_fc, precision),
                pack(block.mlp.c_proj, precision),
            )
            for block in model.blocks
        ]

    def eval(self) -> "PackedGPT":
        return self  # it is never anything else

    @torch.inference_mode()
    def __call__(self, idx: Tensor, cache: KVCache | None = None, last_only: bool = False) -> tuple[Tensor, None]:
        """Like `GPT.forward`, without a loss."""
        config, (B, T) = self.config, idx.shape
        heads = (B, T, 3, config.n_head, config.head_size)
        positions = torch.arange(T) if cache is None else cache.positions(T)
        mask = None if cache is None else cache.mask(T)
        is_causal = mask is None and T > 1
        shape, epsilon = (config.n_embd,), config.layer_norm_epsilon
        approximate = ACTIVATIONS[config.activation_function]
        x = (self.transformer.wte(idx) + self.transformer.wpe(positions)).flatten(0, 1)  # (M, C)
        for number, layer in enumerate(self.layers):
            normed = torch.layer_norm(x, shape, *layer.ln_1, epsilon)
            q, k, v = layer.c_attn(normed).view(heads).permute(2, 0, 3, 1, 4).unbind()  # (B, nh, T, hs) each
            if cache is not None:
                k, v = cache.extend(number, k, v)
            y = F.scaled_dot_product_attention(q, k, v, mask, 0.0, is_causal, scale=self.scale)
            x = layer.attn_c_proj(y.transpose(1, 2).reshape(x.shape)).add_(x)
            normed = torch.layer_norm(x, shape, *layer.ln_2, epsilon)
            x = layer.mlp_c_proj(F.gelu(layer.c_fc(normed), approximate=approximate)).add_(x)
        if cache is not None:
            cache.length += T
        x = x.view(B, T, -1)
        x = self.transformer.ln_f(x[:, -1:] if last_only else x)
        return self.head(x.flatten(0, 1)).view(*x.shape[:2], -1)[..., : config.vocab_size], None


def pack(linear: nn.Linear, precision: str) -> Product:
    weight = linear.weight.detach()  # (N, K)
    bias = None if linear.bias is None else linear.bias.detach()
    if precision == "float32":
        return Split(weight, bias)
    try:
        return round_to_16_bits(weight, bias) if precision == "float16" else round_to_8_bits(weight, bias)
    except RuntimeError as error:
        raise ValueError(f"precision {precision} is not available on this processor: use float32") from error


class Split:
    """x W^T + b as a sum over ways: each core reads the part of W that meets its part of x.

    For a single row the product of matrix and vector does that by itself, in one operator.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None):
        N, K = weight.shape
        self.ways = max(n for n in range(1, torch.get_num_threads() + 1) if K % n == 0)
        self.parts = weight.T.reshape(self.ways, K // self.ways, N).contiguous()  # (W, K/W, N)
        self.weight, self.bias = self.parts.view(K, N).T, bias

    def __call__(self, x: Tensor) -> Tensor:
        if len(x) == 1:
            row = torch.mv(self.weight, x[0]) if self.bias is None else torch.addmv(self.bias, self.weight, x[0])
            return row[None]
        if len(x) > FEW_ROWS or self.ways == 1:
            return F.linear(x, self.weight, self.bias)
        y = torch.bmm(x.view(len(x), self.ways, -1).transpose(0, 1), self.parts).sum(0)  # (M, N)
        return y if self.bias is None else y.add_(self.bias)


def round_to_16_bits(weight: Tensor, bias: Tensor | None) -> Product:
    packed = torch.ops.quantized.linear_prepack_fp16(weight, bias)
    product = torch.ops.quantized.linear_dynamic_fp16.default
    return lambda x: product(x, packed)


def round_to_8_bits(weight: Tensor, bias: Tensor | None) -> Product:
    """A scale for each output of W, and one for x. Of x only 7 bits are used: sums of more overflow on AVX2."""
    scales = (weight.abs().amax(1) / 127).clamp(min=1e-12).double()
    zeros = torch.zeros(len(scales), dtype=torch.long)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # quantized tensors are to go from torch, later than our version
        quantized = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
    packed = torch.ops.quantized.linear_prepack(quantized, bias)
    product = torch.ops.quantized.linear_dynamic.default
    return lambda x: product(x, packed, True)
