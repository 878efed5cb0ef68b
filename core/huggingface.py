"""A model as Hugging Face's GPT-2, there and back: its config.json, and its weights by name and orientation."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.classifier import SequenceClassifier
from core.model import GPT, GPTConfig
from core.tokenizer import END_OF_TEXT, USER, Tokenizer

Model = GPT | SequenceClassifier

# OpenAI wrote GPT-2's linear layers as (in, out) matrices and so does Hugging Face; nn.Linear holds (out, in).
TRANSPOSED = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
PADDED = ("transformer.wte.weight", "lm_head.weight")  # hold rows beyond the vocabulary
MASKS = (".attn.bias", ".attn.masked_bias")  # old files hold the causal mask of every layer among the weights
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
REWARD = "reward"  # the one label of a reward model
CLASSIFIER = "GPT2ForSequenceClassification"  # the architecture by which a config.json says that it is one
SHAPE = ("n_layer", "n_head", "n_embd", "n_positions", "vocab_size")  # what a config.json must say itself


# --- config.json ----------------------------------------------------------------------------------------------


def huggingface_config(config: GPTConfig, tokenizer: Tokenizer) -> dict[str, Any]:
    return {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],  # a classifier says otherwise: class_settings
        "n_layer": config.n_layer,
        "n_head": config.n_head,
        "n_embd": config.n_embd,
        "n_positions": config.block_size,
        "vocab_size": config.vocab_size,
        "activation_function": config.activation_function,
        "layer_norm_epsilon": config.layer_norm_epsilon,
        "resid_pdrop": config.dropout,
        "embd_pdrop": config.dropout,
        "attn_pdrop": config.dropout,
        "scale_attn_weights": config.attn_scale != 1.0,
        "attn_scale": config.attn_scale,  # other values than none and 1 are known to us alone
        "bos_token_id": tokenizer.eot,
        "eos_token_id": tokenizer.eot,
        "qkv_bias": config.qkv_bias,  # Hugging Face's GPT-2 has one always: ours is then written as zeros
        "tie_word_embeddings": config.tie_word_embeddings,
    }


def class_settings(model: SequenceClassifier, tokenizer: Tokenizer) -> dict[str, Any]:
    """What a classifier's config.json says besides: the pad token tells Hugging Face where a text of a batch ends."""
    return {
        "architectures": [CLASSIFIER],
        "problem_type": "regression" if len(model.labels) == 1 else "single_label_classification",
        "id2label": {str(index): label for index, label in enumerate(model.labels)},
        "label2id": {label: index for index, label in enumerate(model.labels)},
        "pad_token_id": tokenizer.special_tokens[padding_token(tokenizer)],
    }


def padding_token(tokenizer: Tokenizer) -> str:
    """By it Hugging Face's classifier sees where a text of a batch ends, so no text may end with it: an answer ends
    with <|endoftext|>, nothing with <|user|>."""
    return USER if USER in tokenizer.special_tokens else END_OF_TEXT


def labels_of(content: dict[str, Any], path: Path) -> list[str]:
    """The classes in a config.json; Hugging Face leaves them out where there are two without names."""
    labels = content.get("id2label", {"0": "LABEL_0", "1": "LABEL_1"})
    numbers = [str(index) for index in range(len(labels))]
    if not isinstance(labels, dict) or sorted(labels) != sorted(numbers):
        raise ValueError(f"{path}: id2label must give a name to each of the numbers from 0 on")
    return [str(labels[number]) for number in numbers]


def config_of(content: dict[str, Any], path: Path) -> GPTConfig:
    """A `config.json` as ours. Raises ValueError if it describes what this GPT does not compute."""
    if content.get("model_type") != "gpt2":
        raise ValueError(f"{path} describes a model of type {content.get('model_type')!r}; only gpt2 can be opened")
    if missing := [name for name in SHAPE if name not in content]:
        raise ValueError(f"{path} does not say {', '.join(missing)}")
    for name in ("scale_attn_by_inverse_layer_idx", "add_cross_attention"):
        if content.get(name):
            raise ValueError(f"{path}: {name} is not supported")
    ours = {f.name for f in fields(GPTConfig)}
    values = {name: value for name, value in content.items() if name in ours}
    values |= {"block_size": content["n_positions"], "dropout": content.get("resid_pdrop", 0.0)}
    if not content.get("scale_attn_weights", True):
        values.setdefault("attn_scale", 1.0)
    try:
        config = GPTConfig(**values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if (n_inner := content.get("n_inner")) not in (None, 4 * config.n_embd):
        raise ValueError(f"{path}: n_inner must be 4 n_embd, which is {4 * config.n_embd}, got {n_inner}")
    return config


# --- weights --------------------------------------------------------------------------------------------------


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
