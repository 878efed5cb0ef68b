"""A language model as one GGUF file, as llama.cpp, LM Studio and Ollama read it.

The layout is that of llama.cpp's own converter for GPT-2: matrices of the blocks, token embedding and head in the type
asked for, everything else (biases, layer norms, positions) in float32. GGUF of this architecture knows neither an
attention scale nor another GELU than the tanh form. A scale is therefore multiplied into the queries, which gives the
same scores; a model with the exact GELU is written as it is, and `gelu_difference` says what computing it with the
tanh form does to its predictions.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from core.generate import Sampling, batch
from core.model import GPT
from core.tokenizer import Tokenizer, to_visible

TYPES = {
    "f32": "float32: exact, 4 bytes a weight",
    "f16": "float16: 2 bytes a weight, rounded to 11 bits",
    "q8_0": "8 bits a weight and a scale for every 32 of them",
}
Q8_0_BLOCK = 32  # weights of a row that share a scale: other widths cannot be written so
NAMES = {  # of our tensors, in GGUF
    "transformer.wte": "token_embd",
    "transformer.wpe": "position_embd",
    "transformer.ln_f": "output_norm",
    "lm_head": "output",
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}
NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5  # llama.cpp's types of tokens; added words are user-defined
TEXT_TOKENS = 128  # of a text that the model writes, on which two forms of GELU are compared


def write(path: Path, model: GPT, tokenizer: Tokenizer, type: str, name: str, chat_template: str = "") -> list[str]:
    """Write the model to `path`; returns the tensors that the type cannot hold, which are float16 instead.

    Raises ValueError if the type is unknown, a weight is too large for it, or the package gguf is missing.
    """
    if type not in TYPES:
        raise ValueError(f"type must be one of {', '.join(TYPES)}, got {type!r}")
    try:
        from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType, quantize  # noqa: PLC0415
    except ImportError as error:
        raise ValueError("to write GGUF the package gguf is needed: pip install gguf") from error
    kinds = {name.lower(): kind for name, kind in GGMLQuantizationType.__members__.items()}
    writer = GGUFWriter(path, "gpt2")
    writer.add_file_type(LlamaFileType.ALL_F32 if type == "f32" else LlamaFileType[f"MOSTLY_{type.upper()}"])
    writer.add_quantization_version(2)  # of llama.cpp's block formats, unchanged since 2023
    describe(writer, model, name)
    describe_vocabulary(writer, tokenizer, model.config.vocab_size, chat_template)
    coarser = []
    for tensor_name, tensor in tensors(model).items():
        kind = tensor_type(tensor_name, tensor, type)
        if kind not in (type, "f32"):
            coarser.append(tensor_name)
        if kind == "f16" and tensor.abs().max() > torch.finfo(torch.float16).max:
            raise ValueError(f"{tensor_name} holds weights beyond what float16 can write: export it as f32")
        writer.add_tensor(tensor_name, quantize(tensor.numpy(), kinds[kind]), raw_dtype=kinds[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return coarser


def describe(writer: Any, model: GPT, name: str) -> None:
    config = model.config
    writer.add_name(name)
    writer.add_context_length(config.block_size)
    writer.add_embedding_length(config.n_embd)
    writer.add_feed_forward_length(4 * config.n_embd)
    writer.add_block_count(config.n_layer)
    writer.add_head_count(config.n_head)
    writer.add_layer_norm_eps(config.layer_norm_epsilon)


def describe_vocabulary(writer: Any, tokenizer: Tokenizer, n_rows: int, chat_template: str) -> None:
    """Tokens, merges, special tokens and added words; rows of the embedding that no token has are called unused."""
    texts = {id: to_visible(token) for token, id in tokenizer.ranks.items()}
    texts |= {id: text for text, id in tokenizer.added.items()}
    types = dict.fromkeys(texts, NORMAL) | dict.fromkeys(tokenizer.special_tokens.values(), CONTROL)
    types |= dict.fromkeys(tokenizer.words.ids.values(), USER_DEFINED)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")  # by which pattern text is cut before the merges
    writer.add_token_list([texts.get(id, f"[PAD{id}]") for id in range(n_rows)])
    writer.add_token_types([types.get(id, UNUSED) for id in range(n_rows)])
    writer.add_token_merges([f"{to_visible(a)} {to_visible(b)}" for a, b in tokenizer.merges()])
    writer.add_bos_token_id(tokenizer.eot)
    writer.add_eos_token_id(tokenizer.eot)
    writer.add_add_bos_token(False)
    if chat_template:
        writer.add_chat_template(chat_template)


def tensors(model: GPT) -> dict[str, Tensor]:
    """The weights in float32, by their names in GGUF, without padding rows, an attention scale multiplied in."""
    config = model.config
    found = {}
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue  # GGUF takes the embedding where there is no head
        tensor = tensor.detach().float().cpu()
        if name in ("transformer.wte.weight", "lm_head.weight"):
            tensor = tensor[: config.vocab_size]
        if "attn.c_attn" in name and config.attn_scale is not None:  # q, k and v lie below each other
            factor = torch.ones(3, dtype=tensor.dtype)
            factor[0] = config.attn_scale * config.head_size**0.5
            tensor = (tensor.unflatten(0, (3, -1)) * factor.view(3, *[1] * tensor.dim())).flatten(0, 1)
        found[gguf_name(name)] = tensor.contiguous()
    if not config.qkv_bias:
        zeros = torch.zeros(3 * config.n_embd)
        found |= {f"blk.{layer}.attn_qkv.bias": zeros for layer in range(config.n_layer)}
    return found


def gguf_name(name: str) -> str:
    """`transformer.h.3.attn.c_attn.weight` is `blk.3.attn_qkv.weight`."""
    stem, _, kind = name.rpartition(".")
    if stem.startswith("transformer.h."):
        layer, _, part = stem.removeprefix("transformer.h.").partition(".")
        return f"blk.{layer}.{NAMES[part]}.{kind}"
    return f"{NAMES[stem]}.{kind}"


def tensor_type(name: str, tensor: Tensor, type: str) -> str:
    """The type in which a tensor is written."""
    if tensor.dim() == 1 or name == "position_embd.weight":
        return "f32"
    return "f16" if type == "q8_0" and tensor.shape[-1] % Q8_0_BLOCK else type


# --- what llama.cpp computes differently ----------------------------------------------------------------------


@torch.inference_mode()
def gelu_difference(model: GPT, tokenizer: Tokenizer) -> float:
    """How far the predictions move when the exact GELU is computed by the tanh form: KL divergence in nats a token.

    The mean over a text that the model writes itself; 0 for a model with the tanh form.
    """
    if model.config.activation_function == "gelu_new":
        return 0.0
    other = GPT(replace(model.config, activation_function="gelu_new")).to(model.device).eval()
    other.load_state_dict(model.state_dict())
    length = min(TEXT_TOKENS, model.config.block_size - 1)
    text = [tokenizer.eot, *batch(model, [[tokenizer.eot]], Sampling(max_new_tokens=length))[0]]
    idx = torch.tensor([text], device=model.device)
    exact, tanh = (F.log_softmax(gpt(idx)[0][0].double(), -1) for gpt in (model, other))  # (T, V)
    return max(0.0, float(F.kl_div(tanh, exact, reduction="batchmean", log_target=True)))
