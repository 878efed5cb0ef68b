"""Neurons: the units of an MLP as memories with a key and a value (Geva et al. 2021, arXiv:2012.14913).

Unit i of a layer compares what it reads, x, with its key, row i of `c_fc`: its activation is gelu(key . x + bias). So
many times it adds its value, column i of `c_proj`, to the residual stream. What the key answers to is seen in the
places of a text that excite the unit most; what the value says, in the tokens whose logits it raises and lowers (Geva
et al. 2022, arXiv:2203.14680).

Shapes: L n_layer, M units of a layer (4 C), C n_embd, V vocab_size, T tokens of a block, n blocks, k places.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor

from core.atomic_files import atomic_file
from core.bounded_files import open_file
from core.interpretability.activations import Trace, each_output
from core.model import GPT, MLP

MOST_TOKENS = 2048  # that are read at once
FINGERPRINT = "fingerprint"  # the key in a file under which stands what it was made from


@torch.inference_mode()
def unit_activations(model: GPT, seen: Trace, layer: int) -> Tensor:
    """Activations of all units of a layer on a traced text, (T, M)."""
    block = model.blocks[layer]
    x = seen.residual[layer : layer + 1]
    x = x + block.attn(block.ln_1(x))
    return gelu(block.mlp, block.mlp.c_fc(block.ln_2(x)))[0]


def gelu(mlp: MLP, x: Tensor) -> Tensor:
    return F.gelu(x, approximate=mlp.approximate)


@torch.inference_mode()
def logit_effect(model: GPT, layer: int, unit: int) -> Tensor:
    """What an activation of 1 adds to each logit, (V,), while the last layer norm divides by 1.

    The unit's value, centred and times the gain of that norm as it reads the stream, @ the unembedding: the logits of a
    pass rise by this, times the activation, divided by the standard deviation of the stream at that place.
    """
    value = model.blocks[layer].mlp.c_proj.weight[:, unit]
    read = (value - value.mean()) * model.transformer.ln_f.weight
    logits: Tensor = model.lm_head(read)
    return logits[: model.config.vocab_size].float()


@torch.inference_mode()
def contributions(model: GPT, seen: Trace, position: int) -> tuple[Tensor, Tensor]:
    """What each unit does at one position: its activation, and the length of what it adds, each (L, M)."""
    activations = torch.stack([unit_activations(model, seen, layer)[position] for layer in range(len(model.blocks))])
    values = torch.stack([block.mlp.c_proj.weight.norm(dim=0) for block in model.blocks])
    return activations, activations.abs() * values


# --- the places that excite a unit most -----------------------------------------------------------------------


@dataclass(frozen=True)
class TopPlaces:
    """Of each unit of a model, the k places in a text that excite it most, largest activation first."""

    blocks: Tensor  # (n, T) int32: the tokens that were read, block by block
    activations: Tensor  # (L, M, k) float32; -inf where fewer tokens were read
    places: Tensor  # (L, M, k) int32, counted through the blocks: row place // T, column place % T

    @property
    def tokens_read(self) -> int:
        """Those that count: the first of each block has nothing before it, and stands there for the others."""
        n, T = self.blocks.shape
        return n * (T - 1)


def text_blocks(ids: Sequence[int], block_size: int, most_tokens: int) -> Tensor:
    """Blocks (n, T) of a text, evenly spread over it, of at most `most_tokens` tokens that count together.

    Each begins with the last token of the one before, where they are neighbours: all tokens but the first one count.
    Raises ValueError if the text has fewer than two tokens.
    """
    if len(ids) < 2:
        raise ValueError("the text has fewer than two tokens: there is nothing to read")
    T = min(block_size, len(ids))
    starts = range(0, len(ids) - T + 1, T - 1)
    wanted = max(1, most_tokens // (T - 1))
    chosen = torch.linspace(0, len(starts) - 1, min(wanted, len(starts))).long().tolist()
    return torch.tensor([ids[starts[i] : starts[i] + T] for i in chosen], dtype=torch.int32)


def top_places(model: GPT, blocks: Tensor, k: int) -> Iterator[TopPlaces]:
    """Read `blocks` (n, T) and note the k places that excite each unit most; yields what is known after each pass.

    The first token of each block does not count. Raises ValueError if a block is longer than the context.
    """
    config, (n, T) = model.config, blocks.shape
    shape = (config.n_layer, 4 * config.n_embd, k)
    activations, places = torch.full(shape, -torch.inf), torch.zeros(shape, dtype=torch.int32)
    each = max(1, MOST_TOKENS // T)
    model.eval()
    for start in range(0, n, each):
        read_blocks(model, blocks[start : start + each], start * T, activations, places)
        yield TopPlaces(blocks[: start + each], activations.clone(), places.clone())


@torch.inference_mode()
def read_blocks(model: GPT, blocks: Tensor, offset: int, activations: Tensor, places: Tensor) -> None:
    """Put what these blocks (b, T) hold among the largest `activations` and their `places`, both (L, M, k).

    offset: the place of the first token.
    """
    k = activations.shape[-1]
    counted = torch.arange(blocks.numel(), dtype=torch.int32).view(blocks.shape)[:, 1:].flatten() + offset

    def note(layer: int, output: Tensor) -> Tensor:
        found = gelu(model.blocks[layer].mlp, output)[:, 1:].flatten(0, 1)  # (b (T - 1), M)
        is_new = found.amax(0).float().cpu() > activations[layer, :, -1]  # the others have nothing to add
        best = found.T[is_new.to(found.device)].topk(min(k, len(found)))
        both = torch.cat([activations[layer, is_new], best.values.float().cpu()], 1)
        there = torch.cat([places[layer, is_new], counted[best.indices.cpu()]], 1)
        activations[layer, is_new], order = both.topk(k)
        places[layer, is_new] = there.gather(1, order)
        return output

    with each_output([block.mlp.c_fc for block in model.blocks], note):
        model.hidden(blocks.long().to(model.device))


# --- on disk --------------------------------------------------------------------------------------------------


def save(path: Path, found: TopPlaces, about: dict[str, str]) -> None:
    """Write a safetensors file with `about`, which says at FINGERPRINT what it was made from.

    Raises OSError if it cannot be written whole.
    """
    with atomic_file(path) as temporary:
        try:
            safetensors.torch.save_file(vars(found), temporary, about)
        except safetensors.SafetensorError as error:
            raise OSError(f"{path.name}: {error}") from error


def load(path: Path, model: GPT, fingerprint: str) -> tuple[TopPlaces, dict[str, str]]:
    """What `save` wrote of this model. Raises ValueError if it is damaged, or was made from something else."""
    try:
        with open_file(path), safetensors.safe_open(path, "pt") as file:
            about = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        found = TopPlaces(**tensors)
    except (safetensors.SafetensorError, OSError, TypeError) as error:
        raise ValueError(f"{path.name} is damaged: {error}") from error
    if about.get(FINGERPRINT) != fingerprint:
        raise ValueError(f"{path.name} was made from other weights")
    check(found, model, path.name)
    return found, about


def check(found: TopPlaces, model: GPT, name: str) -> None:
    """Raise ValueError if these cannot be places of the units of this model."""
    config, (blocks, activations, places) = model.config, (found.blocks, found.activations, found.places)
    kinds = (blocks.dtype, activations.dtype, places.dtype) == (torch.int32, torch.float32, torch.int32)
    shapes = blocks.dim() == 2 and activations.shape[:-1] == (config.n_layer, 4 * config.n_embd)
    if not (kinds and shapes and activations.shape == places.shape and blocks.numel()):
        raise ValueError(f"{name} is damaged: its tensors have other shapes than this model's")
    inside = (blocks.min() >= 0) & (blocks.max() < config.vocab_size)
    if not (inside and places.min() >= 0 and places.max() < blocks.numel()):
        raise ValueError(f"{name} is damaged: it names tokens or places that there are not")
