"""Weights in the names of others, rewritten as Hugging Face's: Raschka's book, nanoGPT and minGPT, GPT-2 in wrappers.

What Hugging Face says in a config.json these files say in part, or not at all: their shapes tell most, nanoGPT's
`model_args` the rest, and what must be guessed is said.

Shapes: C n_embd.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from core.config import listed, plural
from core.huggingface import CLASSIFIER, MASKS, TRANSPOSED, Note, huggingface_name

# What torch.compile, DataParallel, TRL and Lightning put before every name.
WRAPPERS = ("_orig_mod.", "module.", "pretrained_model.", "model.")
HEAD_SIZE = 64  # of every GPT-2 that was published


@dataclass(frozen=True)
class Other:
    """What is not read."""

    what: str
    instead: str


GPT2_ALONE = "only GPT-2 is computed here"
# A part of a tensor's name by which what is no GPT-2 is known.
OTHERS = {
    "lora_": Other("a LoRA adapter, no model of its own", "merge it into its model first (`merge_and_unload`)"),
    "model.layers.": Other("LLaMA, Mistral, Qwen or a relative", GPT2_ALONE),
    "gpt_neox.": Other("GPT-NeoX or Pythia", GPT2_ALONE),
    "model.decoder.": Other("OPT or BART", GPT2_ALONE),
    "attn.attention.": Other("GPT-Neo", GPT2_ALONE),
    "attn.q_proj.": Other("GPT-J", GPT2_ALONE),
    "word_embeddings.": Other("BLOOM, Falcon or BERT", GPT2_ALONE),
    "encoder.block.": Other("T5", GPT2_ALONE),
    "backbone.layers.": Other("Mamba", GPT2_ALONE),
    "attn.W_Q": Other("a model of TransformerLens", "import the model that it was made from"),
}

# The book's names, "GPTModel" of "Build a Large Language Model (From Scratch)"; its linear layers are nn.Linear.
BOOK = {
    "tok_emb.weight": "wte.weight",
    "pos_emb.weight": "wpe.weight",
    "final_norm.scale": "ln_f.weight",
    "final_norm.shift": "ln_f.bias",
    "out_head.weight": "lm_head.weight",
}
BOOK_BLOCK = {
    "norm1.scale": "ln_1.weight",
    "norm1.shift": "ln_1.bias",
    "norm2.scale": "ln_2.weight",
    "norm2.shift": "ln_2.bias",
    "att.out_proj": "attn.c_proj",
    "ff.layers.0": "mlp.c_fc",
    "ff.layers.2": "mlp.c_proj",
}
QKV = ("W_query", "W_key", "W_value")
BOOK_LAYER = re.compile(r"trf_blocks\.(\d+)\.(.+)")
LAYER = re.compile(r"transformer\.h\.(\d+)\.")
BIASES = ("ln_1.bias", "attn.c_proj.bias", "ln_2.bias", "mlp.c_fc.bias", "mlp.c_proj.bias")  # of a block


@dataclass(frozen=True)
class Layout:
    """A way in which a GPT-2's weights are named and laid out."""

    name: str
    mark: str  # a part of a tensor's name by which it is known
    files: str  # in which people have it
    activation: str  # that it computes, where no config.json says another
    says: str  # what is known of the model besides its weights
    guessed: tuple[str, ...]  # settings that nothing says


HUGGINGFACE = Layout(
    "Hugging Face's GPT-2",
    "wte.weight",
    "`model.safetensors` or `pytorch_model.bin`, whole or in several files with their index",
    "gelu_new",
    "`config.json`; without one, the shapes",
    ("n_head", "activation_function"),
)
MINGPT = Layout(
    "minGPT",
    "attn.bias",
    "one `.pt`, `.pth`, `.bin`, `.ckpt` or `.safetensors`",
    "gelu_new",
    "the shapes",
    ("n_head", "activation_function"),
)
NANOGPT = Layout(
    "nanoGPT",
    "attn.c_attn.weight",
    "`ckpt.pt`, compiled or not, with or without biases",
    "gelu",
    "`model_args`; without them, the shapes",
    ("activation_function",),
)
RASCHKA = Layout(
    "Raschka's book",
    "tok_emb.weight",
    "`model.pth`; `model_and_optimizer.pth` without its optimiser",
    "gelu_new",
    "the shapes",
    ("n_head",),
)
# nanoGPT's arguments that its weights have to agree with, by the names of a config.json.
SAID = {"n_layer": "n_layer", "n_embd": "n_embd", "n_positions": "block_size", "vocab_size": "vocab_size"}
LAYOUTS = (HUGGINGFACE, RASCHKA, NANOGPT, MINGPT)


def unwrap(tensors: Mapping[str, Tensor], source: object) -> dict[str, Tensor]:
    """The tensors without what wrappers put before their names. Raises ValueError if they are no GPT-2's."""
    for mark, other in OTHERS.items():
        if any(mark in name for name in tensors):
            raise ValueError(f"{source} holds the weights of {other.what}: {other.instead}")
    found = {bare(name): tensor for name, tensor in tensors.items()}
    if RASCHKA.mark in found and "out_head.bias" in found:
        raise ValueError(
            f"{source} is a classifier as the book's chapter 6 makes it, which reads the padding behind a text; only "
            "language models are read of the book: import one, and train a classifier on it here"
        )
    if not any(name.endswith((HUGGINGFACE.mark, RASCHKA.mark)) for name in found):
        raise ValueError(f"{source} holds no GPT-2: its tensors are {listed(sorted(found))}")
    return found


def bare(name: str) -> str:
    for wrapper in WRAPPERS * 2:  # a compiled model may have been wrapped again
        name = name.removeprefix(wrapper)
    return name


def layout_of(tensors: Mapping[str, Tensor], arguments: Mapping[str, Any]) -> Layout:
    """Whose names and orientation these are; nanoGPT and minGPT have Hugging Face's names, but keep nn.Linear's."""
    if RASCHKA.mark in tensors:
        return RASCHKA
    first = next((tensor for name, tensor in tensors.items() if name.endswith("h.0.attn.c_attn.weight")), None)
    if first is None or first.ndim != 2 or first.shape[0] != 3 * first.shape[1]:
        return HUGGINGFACE
    has_masks = any(name.endswith(MASKS) and tensor.ndim == 4 for name, tensor in tensors.items())
    return MINGPT if has_masks and not arguments else NANOGPT


def to_huggingface(tensors: dict[str, Tensor], layout: Layout) -> tuple[dict[str, Tensor], list[Note]]:
    """The tensors in Hugging Face's names and orientation."""
    if layout is HUGGINGFACE:
        return {huggingface_name(name): tensor for name, tensor in tensors.items()}, []
    notes: list[Note] = []
    if layout is RASCHKA:
        masks = [name for name in tensors if name.endswith("att.mask")]
        tensors = from_book({name: tensor for name, tensor in tensors.items() if name not in masks})
        if masks:
            notes.append(Note("left out", f"{plural(len(masks), 'causal mask')}, made anew here"))
    found = {huggingface_name(name): tensor for name, tensor in tensors.items()}
    found = {
        name: tensor.T if name.endswith(TRANSPOSED) and tensor.ndim == 2 else tensor for name, tensor in found.items()
    }
    if layout is not RASCHKA and not any(name.endswith("ln_f.bias") for name in found):
        added = zero_biases(found)
        found |= added
        notes.append(Note("changed", f"{plural(len(added), 'bias', 'biases')} that it was trained without are zeros"))
    return found, notes


def from_book(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The book's tensors in Hugging Face's names, queries, keys and values in one; still (out, in)."""
    found = {}
    for name, tensor in tensors.items():
        if not (match := BOOK_LAYER.fullmatch(name)):
            found[BOOK.get(name, name)] = tensor
            continue
        layer, rest = match.groups()
        if rest.startswith("att.W_"):
            kind = rest.rsplit(".", 1)[1]
            parts = [tensors.get(f"trf_blocks.{layer}.att.{part}.{kind}") for part in QKV]
            there = [part for part in parts if part is not None and part.ndim]
            if (
                len(there) == len(QKV) and len({(part.shape, part.dtype) for part in there}) == 1
            ):  # else it stays under its own name, and is told of
                found[f"h.{layer}.attn.c_attn.{kind}"] = torch.cat(there)
                continue
        for theirs, ours in BOOK_BLOCK.items():
            if rest.startswith(theirs):
                rest = rest.replace(theirs, ours)
        found[f"h.{layer}.{rest}"] = tensor
    return found


def zero_biases(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of a model without biases: zeros wherever ours has one, but for queries, keys and values."""
    found = {"transformer.ln_f.bias": "transformer.ln_f.weight"}
    for layer in layers(tensors):
        for bias in BIASES:
            name = f"transformer.h.{layer}.{bias}"
            found[name] = name.removesuffix("bias") + "weight"
    sizes = {name: tensors[weight].shape[-1:] for name, weight in found.items() if weight in tensors}
    return {name: torch.zeros(size) for name, size in sizes.items()}


def layers(names: Collection[str]) -> list[int]:
    return sorted({int(match.group(1)) for name in names if (match := LAYER.match(name))})


def describe(
    tensors: Mapping[str, Tensor], layout: Layout, arguments: Mapping[str, Any], n_head: int | None, source: object
) -> tuple[dict[str, Any], list[Note]]:
    """What a config.json would say of tensors in Hugging Face's names: from their shapes, nanoGPT's arguments, guesses.

    n_head: as the person says; None if they do not. Raises ValueError if it cannot be guessed.
    """
    wte, wpe = (tensors.get(f"transformer.{name}.weight") for name in ("wte", "wpe"))
    if wte is None or wpe is None or wte.ndim != 2 or wpe.ndim != 2:
        raise ValueError(f"{source} lacks embeddings of tokens and positions, each a matrix")
    (rows, width), numbers = wte.shape, layers(tensors)
    notes = []
    heads = n_head or arguments.get("n_head")
    if heads is None:
        if width % HEAD_SIZE:
            raise ValueError(
                f"{source} does not say how many heads its {width} numbers are divided among: say it, as in "
                "python -m core import FILE DIRECTORY --n-head 4"
            )
        heads = width // HEAD_SIZE
        notes.append(Note("guessed", f"{plural(heads, 'head')} of {HEAD_SIZE} numbers each, as GPT-2 has them"))
    if "activation_function" in layout.guessed:
        notes.append(Note("guessed", f"activation_function {layout.activation}, as {layout.name} computes it"))
    head, score = tensors.get("lm_head.weight"), tensors.get("score.weight")
    content = {
        "model_type": "gpt2",
        "n_layer": numbers[-1] + 1 if numbers else 0,
        "n_head": heads,
        "n_embd": width,
        "n_positions": wpe.shape[0],
        "vocab_size": rows,
        "resid_pdrop": arguments.get("dropout", 0.0),
        "activation_function": layout.activation,
        "qkv_bias": any(name.endswith("attn.c_attn.bias") for name in tensors),
        "tie_word_embeddings": head is None or (layout is not RASCHKA and torch.equal(head.float(), wte.float())),
    }
    if layout is RASCHKA and head is None:
        notes.append(Note("guessed", "the head is the token embedding, as the file has no other"))
    for name, said in SAID.items():
        if said in arguments and arguments[said] != content[name]:
            raise ValueError(f"{source} says {said} {arguments[said]}, but its weights have {content[name]}")
    if score is not None and score.ndim == 2 and head is None:
        labels = {str(index): f"LABEL_{index}" for index in range(len(score))}
        content |= {"architectures": [CLASSIFIER], "id2label": labels}
        notes.append(
            Note("guessed", f"{plural(len(labels), 'class', 'classes')} without names, as it has scores and no head")
        )
    return content, notes
