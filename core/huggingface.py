"""A model as Hugging Face's GPT-2, there and back: its config.json, and its weights by name and orientation.

What others wrote need not fit together to the last row. Where it is clear what is meant it is read, and a `Note` says
what was left out, kept, changed or guessed.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.chat_template import padding_token, turn_ends
from core.classifier import SequenceClassifier
from core.config import listed, plural
from core.model import GPT, GPTConfig
from core.tokenizer import END_OF_TEXT, Tokenizer

Model = GPT | SequenceClassifier

# OpenAI wrote GPT-2's linear layers as (in, out) matrices and so does Hugging Face; nn.Linear holds (out, in).
TRANSPOSED = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
PADDED = ("transformer.wte.weight", "lm_head.weight")  # hold rows beyond the vocabulary
MASKS = (".attn.bias", ".attn.masked_bias")  # old files hold the causal mask of every layer among the weights
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
REWARD = "reward"  # the one label of a reward model
CLASSIFIER = "GPT2ForSequenceClassification"  # the architecture by which a config.json says that it is one
# Other names of the same functions.
SAME_ACTIVATION = {"gelu_pytorch_tanh": "gelu_new", "gelu_fast": "gelu_new", "gelu_python": "gelu"}
SHAPE = ("n_layer", "n_head", "n_embd", "n_positions", "vocab_size")  # what a config.json must say itself
UNSUPPORTED = ("add_cross_attention",)  # settings that must be off
# Heads that other trainings leave in a file: of values (TRL), of classes, of multiple choice (GPT2DoubleHeadsModel).
OTHER_HEADS = ("v_head.", "value_head.", "score.", "multiple_choice_head.")
LIE = 20  # times the weights in the file: a config.json that describes more would fill the memory
QKV, QKV_BIAS = ("attn.c_attn.weight", "attn.c_attn.bias"), "attn.c_attn.bias"
KINDS = ("left out", "kept", "changed", "guessed")


@dataclass(frozen=True)
class Note:
    """What a person should know of how weights were read."""

    kind: str  # one of KINDS
    what: str  # with its count


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


def tokenizer_config(config: GPTConfig, tokenizer: Tokenizer) -> dict[str, Any]:
    """The content of a `tokenizer_config.json`."""
    template = {} if tokenizer.chat_template is None else {"chat_template": tokenizer.chat_template}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": config.block_size,
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "pad_token": padding_token(tokenizer),
        "clean_up_tokenization_spaces": False,
    } | template


def generation_config(tokenizer: Tokenizer) -> dict[str, Any]:
    """The content of a `generation_config.json` of a model that answers: with which tokens it has answered."""
    padding = tokenizer.special_tokens[padding_token(tokenizer)]
    return {"bos_token_id": tokenizer.eot, "eos_token_id": sorted(turn_ends(tokenizer)), "pad_token_id": padding}


def class_settings(model: SequenceClassifier, tokenizer: Tokenizer) -> dict[str, Any]:
    """What a classifier's config.json says besides: the pad token tells Hugging Face where a text of a batch ends."""
    return {
        "architectures": [CLASSIFIER],
        "problem_type": "regression" if len(model.labels) == 1 else "single_label_classification",
        "id2label": {str(index): label for index, label in enumerate(model.labels)},
        "label2id": {label: index for index, label in enumerate(model.labels)},
        "pad_token_id": tokenizer.special_tokens[padding_token(tokenizer)],
    }


def says_classifier(content: dict[str, Any]) -> bool:
    """Does a config.json say that its model is one?"""
    architectures = content.get("architectures")
    return isinstance(architectures, list) and CLASSIFIER in architectures


def labels_of(content: dict[str, Any], path: str | Path) -> list[str]:
    """The classes in a config.json; Hugging Face leaves them out where there are two without names."""
    labels = content.get("id2label", {"0": "LABEL_0", "1": "LABEL_1"})
    numbers = [str(index) for index in range(len(labels))] if isinstance(labels, dict) else []
    if not numbers or sorted(labels) != sorted(numbers):
        raise ValueError(f"{path}: id2label must give a name to each of the numbers from 0 on")
    return [str(labels[number]) for number in numbers]


def config_of(content: dict[str, Any], path: str | Path) -> GPTConfig:
    """A `config.json` as ours. Raises ValueError if it describes what this GPT does not compute."""
    if content.get("model_type") != "gpt2":
        raise ValueError(f"{path} describes a model of type {content.get('model_type')!r}; only gpt2 can be opened")
    if missing := [name for name in SHAPE if name not in content]:
        raise ValueError(f"{path} does not say {', '.join(missing)}")
    for name in UNSUPPORTED:
        if content.get(name):
            raise ValueError(f"{path}: {name} is not supported")
    ours = {f.name for f in fields(GPTConfig)}
    values = {name: value for name, value in content.items() if name in ours}
    values |= {"block_size": content["n_positions"], "dropout": content.get("resid_pdrop", 0.0)}
    if (activation := content.get("activation_function")) in SAME_ACTIVATION:
        values["activation_function"] = SAME_ACTIVATION[activation]
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
    """The model's weights in Hugging Face's names and orientation, with `saved_rows` of padding: views, not copies."""
    tensors = huggingface_views(model, saved_rows(model))
    if not model.config.qkv_bias:
        for layer, block in enumerate(model.blocks):
            tensors[f"transformer.h.{layer}.{QKV_BIAS}"] = torch.zeros(block.attn.c_attn.out_features)
    return tensors


def huggingface_views(model: Model, rows: int) -> dict[str, Tensor]:
    """The weights that the model itself has, with so many rows in embedding and head."""
    tensors = {name: huggingface_view(name, tensor, rows) for name, tensor in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        tensors.pop("lm_head.weight", None)  # a classifier has none
    return tensors


def huggingface_view(name: str, tensor: Tensor, rows: int) -> Tensor:
    """A tensor of our model as Hugging Face sees it."""
    if name.endswith(TRANSPOSED):
        return tensor.T
    return tensor[:rows] if name in PADDED else tensor


def saved_rows(model: Model) -> int:
    """Rows of embedding and head in a file: those of the vocabulary, and padding if it came with the weights; padding
    that is made here is zero."""
    state, vocab_size = model.state_dict(), model.config.vocab_size
    came = any(state[name][vocab_size:].any() for name in PADDED if name in state)
    return model.config.padded_vocab_size if came else vocab_size


def huggingface_name(name: str) -> str:
    """A tensor's name in `GPT2LMHeadModel`; OpenAI's files on the hub come from `GPT2Model`, which has no prefix."""
    return f"transformer.{name}" if name.startswith(("wte.", "wpe.", "h.", "ln_f.")) else name


def read_model(
    content: dict[str, Any], tokenizer: Tokenizer, tensors: dict[str, Tensor], source: str | Path, described: str | Path
) -> tuple[Model, Tokenizer, list[Note]]:
    """The model that the content of a config.json describes, with weights in Hugging Face's names; and its vocabulary.

    source and described: where the weights and the content come from, for sentences. Raises ValueError if they
    describe what this GPT does not compute, or disagree in a way that leaves open what is meant.
    """
    config = config_of(content, described)
    rows = config.vocab_size
    config, tokenizer, notes = match_vocabulary(config, tokenizer, described)
    masks = [name for name in tensors if name.endswith(MASKS)]
    if masks:
        notes.append(Note("left out", f"{plural(len(masks), 'causal mask')}, made anew here"))
    tensors = {huggingface_name(name): tensor for name, tensor in tensors.items() if name not in masks}
    config, tensors, more = adapt_attention(content, config, tensors, described)
    notes += more
    there = sum(tensor.numel() for tensor in tensors.values())
    if config.n_params > LIE * there:  # said before so many are made; a smaller disagreement is told in detail
        raise ValueError(f"{described} describes {config.n_params:,} weights, but the file holds {there:,}")
    is_one = says_classifier(content)
    model: Model = SequenceClassifier(config, labels_of(content, described)) if is_one else GPT(config)
    notes += fill(model, tensors, rows, source, described)
    return model, tokenizer, notes


def adapt_attention(
    content: dict[str, Any], config: GPTConfig, tensors: dict[str, Tensor], described: str | Path
) -> tuple[GPTConfig, dict[str, Tensor], list[Note]]:
    """The configuration and the weights where Hugging Face's attention differs from what the configuration says.

    Stanford's Mistral divides the scores of a layer by its number, from 1 on: here its queries are. Hugging Face's
    GPT-2 has biases always, and has learned them if they are not zero.
    """
    notes, scaled = [], {}
    if content.get("scale_attn_by_inverse_layer_idx"):
        for layer in range(config.n_layer):
            for name in (f"transformer.h.{layer}.{part}" for part in QKV):
                if name in tensors and tensors[name].ndim:
                    scaled[name] = tensors[name].float().clone()
                    scaled[name][..., : config.n_embd] /= layer + 1
        divided = f"queries of {plural(config.n_layer, 'layer')} are divided by the layer's number"
        notes.append(Note("changed", f"{divided}, as scale_attn_by_inverse_layer_idx divides their scores"))
    biases = [name for name in tensors if name.endswith(QKV_BIAS)]
    if not config.qkv_bias and any(tensors[name].any() for name in biases):
        config = replace(config, qkv_bias=True)
        said = f"qkv_bias is on, as {plural(len(biases), 'bias', 'biases')} of {described} are not zero"
        notes.append(Note("changed", said))
    without = [] if config.qkv_bias else biases
    return config, {name: tensor for name, tensor in (tensors | scaled).items() if name not in without}, notes


def match_vocabulary(
    config: GPTConfig, tokenizer: Tokenizer, described: str | Path
) -> tuple[GPTConfig, Tokenizer, list[Note]]:
    """The configuration with the vocabulary's size, and the vocabulary, where rows and tokens are not equally many.

    Rows beyond the vocabulary are padding; special tokens beyond the rows are never in a text. Raises ValueError if
    it must be another model's vocabulary.
    """
    rows, tokens = config.vocab_size, tokenizer.vocab_size
    if rows == tokens:
        return config, tokenizer, []
    if lacking := [name for name, id in tokenizer.special_tokens.items() if id >= rows and name != END_OF_TEXT]:
        tokenizer = tokenizer.without(lacking)
    fitted = replace(config, vocab_size=tokenizer.vocab_size)
    room, surplus = fitted.padded_vocab_size, rows - fitted.vocab_size
    is_padding = rows % 8 == 0 and rows <= room
    if surplus < 0 or (surplus > fitted.vocab_size // 10 and not is_padding):
        raise ValueError(
            f"the vocabulary has {tokens:,} tokens, but {described} says {rows:,}: it must be another model's"
        )
    notes = []
    if lacking:
        notes.append(Note("left out", f"{plural(len(lacking), 'special token')} without a row ({listed(lacking)})"))
    if surplus:
        kept = min(rows, room) - fitted.vocab_size
        notes.append(Note("kept", f"{plural(kept, 'row')} beyond the vocabulary, never drawn"))
    if rows > room:
        notes.append(Note("left out", f"{plural(rows - room, 'row')} still further beyond"))
    return fitted, tokenizer, notes


def fill(model: Model, tensors: dict[str, Tensor], rows: int, source: str | Path, described: str | Path) -> list[Note]:
    """Copy Hugging Face's tensors into the model; says which were left out.

    rows: of embedding and head in the file. Raises ValueError if a name, a shape or a value does not fit.
    """
    kept = min(rows, model.config.padded_vocab_size)
    own = huggingface_views(model, kept)
    head = tensors.pop("lm_head.weight", None) if model.config.tie_word_embeddings and isinstance(model, GPT) else None
    if missing := sorted(set(own) - set(tensors)):
        raise ValueError(f"{source} lacks {listed(missing)}, which {described} calls for")
    surplus = sorted(set(tensors) - set(own))
    needless = OTHER_HEADS if isinstance(model, GPT) else (*OTHER_HEADS, "lm_head.")
    if others := [name for name in surplus if not name.startswith(needless)]:
        raise ValueError(f"{source} holds {listed(others)}, which is no part of the GPT-2 in {described}")
    with torch.no_grad():
        for name, view in own.items():
            tensor = tensors[name]
            shape = torch.Size([rows, *view.shape[1:]]) if name in PADDED else view.shape
            check_tensor(name, tensor, shape, source, described)
            view.copy_(tensor[:kept] if name in PADDED else tensor)
    if head is not None:
        check_tensor("lm_head.weight", head, tensors["transformer.wte.weight"].shape, source, described)
    if head is not None and not torch.equal(head.float(), tensors["transformer.wte.weight"].float()):
        raise ValueError(
            f"{source} has a head that differs from the token embedding, but by {described} (tie_word_embeddings) they "
            "are one: either the weights or that setting is wrong"
        )
    return (
        [Note("left out", f"{plural(len(surplus), 'tensor')} of another head ({listed(surplus)})")] if surplus else []
    )


def check_tensor(name: str, tensor: Tensor, shape: torch.Size, source: str | Path, described: str | Path) -> None:
    if tensor.shape != shape:
        raise ValueError(f"{source}: {name} is {tuple(tensor.shape)}, but {described} makes it {tuple(shape)}")
    if tensor.dtype not in DTYPES:
        raise ValueError(f"{source}: {name} holds {tensor.dtype} numbers, which mean nothing without their scale")
    if not torch.isfinite(tensor).all():
        raise ValueError(f"{source}: {name} holds values that are not numbers: the file is damaged")
