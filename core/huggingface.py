"""A model's weights in the names and orientation of Hugging Face's GPT-2, there and back."""

from pathlib import Path

import torch
from torch import Tensor

from core.classifier import SequenceClassifier
from core.model import GPT, GPTConfig

Model = GPT | SequenceClassifier

# OpenAI wrote GPT-2's linear layers as (in, out) matrices and so does Hugging Face; nn.Linear holds (out, in).
TRANSPOSED = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
PADDED = ("transformer.wte.weight", "lm_head.weight")  # hold rows beyond the vocabulary
MASKS = (".attn.bias", ".attn.masked_bias")  # old files hold the causal mask of every layer among the weights
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def huggingface_tensors(model: Model) -> dict[str, Tensor]:
    """The model's weights in Hugging Face's names and orientation, without padding rows: views, not copies."""
    tensors = {name: huggingface_view(name, tensor, model.config) for name, tensor in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        tensors.pop("lm_head.weight", None)  # a classifier has none
    if not model.config.qkv_bias:
        for layer, block in enumerate(model.blocks):
            tensors[f"transformer.h.{layer}.attn.c_attn.bias"] = torch.zeros(block.attn.c_attn.out_features)
    return tensors


def huggingface_view(name: str, tensor: Tensor, config: GPTConfig) -> Tensor:
    """A tensor of our model as Hugging Face sees it."""
    if name.endswith(TRANSPOSED):
        return tensor.T
    return tensor[: config.vocab_size] if name in PADDED else tensor


def huggingface_name(name: str) -> str:
    """A tensor's name in `GPT2LMHeadModel`; OpenAI's files on the hub come from `GPT2Model`, which has no prefix."""
    return f"transformer.{name}" if name.startswith(("wte.", "wpe.", "h.", "ln_f.")) else name


def fill(model: Model, tensors: dict[str, Tensor], source: Path) -> None:
    """Copy Hugging Face's tensors into the model. Raises ValueError if a name, a shape or a value does not fit."""
    tensors = {huggingface_name(name): tensor for name, tensor in tensors.items() if not name.endswith(MASKS)}
    own = huggingface_tensors(model)
    head = tensors.pop("lm_head.weight", None) if model.config.tie_word_embeddings else None
    if difference := set(own) ^ set(tensors):
        raise ValueError(
            f"{source} and its config.json disagree about {min(difference)} (and {len(difference)} in all)"
        )
    for name, tensor in tensors.items():
        check_tensor(name, tensor, own[name].shape, source)
    if head is not None and not torch.equal(head.float(), tensors["transformer.wte.weight"].float()):
        raise ValueError(
            f"{source} has a head that differs from the token embedding, but by its config.json "
            "(tie_word_embeddings) they are one: either the weights or that setting is wrong"
        )
    with torch.no_grad():
        for name, tensor in tensors.items():
            if not model.config.qkv_bias and name.endswith("attn.c_attn.bias") and tensor.any():
                raise ValueError(f"{source}: {name} is not zero, but config.json says that there is no qkv_bias")
            own[name].copy_(tensor)


def check_tensor(name: str, tensor: Tensor, shape: torch.Size, source: Path) -> None:
    if tensor.shape != shape:
        raise ValueError(f"{source}: {name} is {tuple(tensor.shape)}, but config.json makes it {tuple(shape)}")
    if tensor.dtype not in DTYPES:
        raise ValueError(f"{source}: {name} holds {tensor.dtype} numbers, which mean nothing without their scale")
    if not torch.isfinite(tensor).all():
        raise ValueError(f"{source}: {name} holds values that are not numbers: the file is damaged")
