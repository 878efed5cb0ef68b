"""GPT-2 as people have it: each layout comes in with the logits that its own arithmetic gives, and with notes."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import tokenizers
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import GPT2Config, GPT2DoubleHeadsModel, GPT2ForSequenceClassification, GPT2LMHeadModel

from core import checkpoint, foreign_weights, hub, pytorch_files
from core.checkpoint import Card
from core.huggingface import REWARD
from core.model import GPT, GPTConfig
from core.tokenizer import Tokenizer
from tests.helpers.gpt2 import (
    SPECIAL,
    BookGPT,
    NanoGPT,
    change_json,
    change_tensors,
    random_gpt2,
    write_vocabulary,
)


@dataclass
class Case:
    """A model of somebody's, as files, and what it computes."""

    path: Path
    logits: Callable[[Tensor], Tensor]  # of ids (B, T): (B, T, V), of a classifier (B, L)
    notes: dict[str, str] = field(default_factory=dict)  # {kind: what must be said of it}
    n_head: int | None = None
    ids: dict[str, list[int]] = field(default_factory=dict)  # of texts


Make = Callable[[Path, Tokenizer], Case]
MAKE: dict[str, Make] = {}


def kind(name: str) -> Callable[[Make], Make]:
    def add(make: Make) -> Make:
        MAKE[name] = make
        return make

    return add


def saved(directory: Path, vocabulary: Tokenizer | None, model: GPT2LMHeadModel | None = None, **how) -> Case:
    """A model as `transformers` saves it, with this vocabulary."""
    model = model or random_gpt2()
    model.save_pretrained(directory, **how)
    if vocabulary:
        vocabulary.save(directory)
    model = model.float()
    return Case(directory, lambda idx: model(idx).logits)


def pickled(case: Case, **how) -> Case:
    """The same with its weights in pytorch_model.bin."""
    state = load_file(case.path / "model.safetensors")
    (case.path / "model.safetensors").unlink()
    torch.save(state, case.path / "pytorch_model.bin", **how)
    return case


def tensors_of(case: Case, change: Callable[[dict[str, Tensor]], object], **notes: str) -> Case:
    """The same with its tensors changed."""
    change_tensors(case.path / "model.safetensors", change)
    case.notes |= {name.replace("_", " "): what for name, what in notes.items()}
    return case


# --- Hugging Face's ---------------------------------------------------------------------------------------------

PLAIN: dict[str, tuple[dict, dict]] = {  # settings of the model, other keys of its config.json
    "as transformers saves it": ({}, {}),
    "distil, with fewer layers and old keys": ({"n_layer": 1}, {"_num_labels": 1, "id2label": {"0": "LABEL_0"}}),
    "n_ctx and summary": ({}, {"n_ctx": 32, "summary_type": "cls_index", "task_specific_params": {"x": {}}}),
    "reorder_and_upcast_attn": ({"reorder_and_upcast_attn": True}, {}),
    "gelu under another name": ({"activation_function": "gelu_pytorch_tanh"}, {}),
    "exact gelu": ({"activation_function": "gelu"}, {}),
    "n_inner given": ({"n_inner": 64}, {}),
    "scale_attn_weights off": ({"scale_attn_weights": False}, {}),
    "untied head": ({"tie_word_embeddings": False}, {}),
}
for name, (settings, keys) in PLAIN.items():

    def plain(directory: Path, tokenizer: Tokenizer, settings: dict = settings, keys: dict = keys) -> Case:
        case = saved(directory, tokenizer, random_gpt2(**settings))
        change_json(directory / "config.json", **keys)
        return case

    kind(name)(plain)

for dtype in (torch.float16, torch.bfloat16, torch.float64):

    def other_type(directory: Path, tokenizer: Tokenizer, dtype: torch.dtype = dtype) -> Case:
        case = saved(directory, tokenizer, random_gpt2().to(dtype))
        case.notes["changed"] = rf"28 tensors of {str(dtype).removeprefix('torch.')}: float32 here"
        return case

    kind(str(dtype).removeprefix("torch."))(other_type)


@kind("scale_attn_by_inverse_layer_idx")
def scaled_by_layer(directory: Path, tokenizer: Tokenizer) -> Case:
    case = saved(directory, tokenizer, random_gpt2(scale_attn_by_inverse_layer_idx=True))
    case.notes["changed"] = "queries of 2 layers are divided by the layer's number, as scale_attn_by"
    return case


@kind("no prefix, with masks")
def no_prefix(directory: Path, tokenizer: Tokenizer) -> Case:
    def change(tensors: dict[str, Tensor]) -> None:
        for name in list(tensors):
            tensors[name.removeprefix("transformer.")] = tensors.pop(name)
        for layer in range(2):
            tensors[f"h.{layer}.attn.bias"] = torch.ones(1, 1, 32, 32).tril()
            tensors[f"h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)

    return tensors_of(saved(directory, tokenizer), change, left_out="4 causal masks")


@kind("several safetensors")
def several(directory: Path, tokenizer: Tokenizer) -> Case:
    case = saved(directory, tokenizer, max_shard_size="20KB")
    assert len(list(directory.glob("model-*-of-*.safetensors"))) > 1
    return case


@kind("tied head written out")
def head_twice(directory: Path, tokenizer: Tokenizer) -> Case:
    def change(tensors: dict[str, Tensor]) -> None:
        tensors["lm_head.weight"] = tensors["transformer.wte.weight"].clone()

    return tensors_of(saved(directory, tokenizer), change)


@kind("value head of TRL")
def value_head(directory: Path, tokenizer: Tokenizer) -> Case:
    def change(tensors: dict[str, Tensor]) -> None:
        tensors |= {"v_head.summary.weight": torch.ones(1, 16), "v_head.summary.bias": torch.ones(1)}

    said = r"2 tensors of another head \(v_head.summary.bias, v_head.summary.weight\)"
    return tensors_of(saved(directory, tokenizer), change, left_out=said)


@kind("GPT2DoubleHeadsModel")
def double_heads(directory: Path, tokenizer: Tokenizer) -> Case:
    case = saved(directory, tokenizer)
    theirs = random_gpt2()
    double = GPT2DoubleHeadsModel(GPT2Config(**theirs.config.to_dict()))
    double.load_state_dict(theirs.state_dict(), strict=False)
    double.save_pretrained(directory)
    case.notes["left out"] = r"2 tensors of another head \(multiple_choice_head"
    return case


@kind("qkv_bias off, trained on by Hugging Face")
def trained_on(directory: Path, tokenizer: Tokenizer) -> Case:
    shape = GPTConfig(n_layer=2, n_head=2, n_embd=16, block_size=32, vocab_size=300, qkv_bias=False)
    checkpoint.save(directory, GPT(shape), tokenizer, Card())
    theirs = GPT2LMHeadModel.from_pretrained(directory)
    assert not theirs.transformer.h[0].attn.c_attn.bias.any()
    theirs.load_state_dict(random_gpt2().state_dict())
    case = saved(directory, tokenizer, theirs)
    assert json.loads((directory / "config.json").read_text(encoding="utf-8"))["qkv_bias"] is False
    case.notes["changed"] = "qkv_bias is on, as 2 biases of"
    return case


# --- vocabularies and rows --------------------------------------------------------------------------------------


def two_files(directory: Path, tokenizer: Tokenizer) -> None:
    """The vocabulary as slow tokenizers keep it, without its special tokens but the first."""
    model = tokenizer.to_json()["model"]
    vocab = {token: id for token, id in model["vocab"].items() if id <= tokenizer.eot}
    (directory / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    merges = "\n".join(" ".join(pair) for pair in model["merges"])
    (directory / "merges.txt").write_text(f"#version: 0.2\n{merges}\n", encoding="utf-8")


@kind("slow tokenizer")
def slow(directory: Path, tokenizer: Tokenizer) -> Case:
    case = saved(directory, None, random_gpt2(vocab_size=298))
    two_files(directory, tokenizer)
    return case


@kind("slow tokenizer with added_tokens.json (h08)")
def slow_with_more(directory: Path, tokenizer: Tokenizer) -> Case:
    case = slow_of(directory, tokenizer, {"covid19": 298, "[PAD]": 299})
    case.ids = {"covid19": [298], "[PAD]": tokenizer.encode("[PAD]")}
    return case


def slow_of(directory: Path, tokenizer: Tokenizer, added: dict[str, int]) -> Case:
    case = saved(directory, None, random_gpt2(vocab_size=300))
    two_files(directory, tokenizer)
    (directory / "added_tokens.json").write_text(json.dumps(added), encoding="utf-8")
    (directory / "special_tokens_map.json").write_text(json.dumps({"pad_token": "[PAD]"}), encoding="utf-8")
    return case


@kind("pad token without a row (h09)")
def pad_token(directory: Path, tokenizer: Tokenizer) -> Case:
    case = saved(directory, Tokenizer(tokenizer.ranks, [*tokenizer.special_tokens, "[PAD]"]))
    case.notes["left out"] = r"1 special token without a row \(\[PAD\]\)"
    return case


@kind("50,304 rows (h10)")
def padded_rows(directory: Path, tokenizer: Tokenizer) -> Case:
    case = saved(directory, None, random_gpt2(vocab_size=50304))
    write_vocabulary(directory, "on the hub")
    case.notes["kept"] = "47 rows beyond the vocabulary, never drawn"
    return case


@kind("tokens added, rows padded to 64")
def padded_after_adding(directory: Path, tokenizer: Tokenizer) -> Case:
    case = saved(
        directory, Tokenizer(tokenizer.ranks, [*tokenizer.special_tokens, "<x>", "<y>"]), random_gpt2(vocab_size=320)
    )
    case.notes["kept"] = "18 rows"
    return case


@kind("added ordinary words (h11)")
def added_words(directory: Path, tokenizer: Tokenizer) -> Case:
    case = saved(directory, tokenizer, random_gpt2(vocab_size=302))
    theirs = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
    theirs.add_tokens(["<speaker1>", "covid19"])
    theirs.save(str(directory / "tokenizer.json"))
    case.ids = {text: theirs.encode(text).ids for text in ("<speaker1>hello covid19 there", "a<speaker1> covid19")}
    assert len(case.ids["a<speaker1> covid19"]) == 4
    return case


@kind("no vocabulary, but GPT-2's size")
def no_vocabulary(directory: Path, tokenizer: Tokenizer) -> Case:
    case = saved(directory, None, random_gpt2(vocab_size=50257))
    case.notes["guessed"] = "GPT-2's vocabulary, as there is none and the embedding has 50,257 rows"
    case.ids = {"hello world": [31373, 995]}
    return case


# --- classifiers ------------------------------------------------------------------------------------------------


def classifier(directory: Path, tokenizer: Tokenizer, labels: list[str]) -> Case:
    config = dict(n_layer=2, n_head=2, n_embd=16, n_positions=32, vocab_size=300, pad_token_id=298, **SPECIAL)
    config |= {"id2label": dict(enumerate(labels))}
    theirs = GPT2ForSequenceClassification(GPT2Config(**config)).eval()
    theirs.transformer.load_state_dict(random_gpt2().transformer.state_dict())
    torch.nn.init.normal_(theirs.score.weight)
    theirs.save_pretrained(directory)
    tokenizer.save(directory)
    return Case(directory, lambda idx: theirs(idx).logits)


@kind("GPT2ForSequenceClassification")
def classes(directory: Path, tokenizer: Tokenizer) -> Case:
    return classifier(directory, tokenizer, ["ham", "spam", "neither"])


@kind("reward model of one score")
def reward(directory: Path, tokenizer: Tokenizer) -> Case:
    case = classifier(directory, tokenizer, ["LABEL_0"])
    case.notes["guessed"] = "1 score and no classes: it is taken for a reward model"
    return case


# --- PyTorch's files ----------------------------------------------------------------------------------------------


@kind("pytorch_model.bin")
def bin_file(directory: Path, tokenizer: Tokenizer) -> Case:
    return pickled(saved(directory, tokenizer))


@kind("pytorch_model.bin from before torch 1.6")
def old_bin_file(directory: Path, tokenizer: Tokenizer) -> Case:
    return pickled(saved(directory, tokenizer), _use_new_zipfile_serialization=False)


@kind("several pytorch_model.bin")
def several_bin_files(directory: Path, tokenizer: Tokenizer) -> Case:
    case = saved(directory, tokenizer)
    state = load_file(directory / "model.safetensors")
    (directory / "model.safetensors").unlink()
    names = sorted(state)
    parts = {f"pytorch_model-0000{i + 1}-of-00002.bin": names[i::2] for i in range(2)}
    for file, part in parts.items():
        torch.save({name: state[name] for name in part}, directory / file)
    index = {"weight_map": {name: file for file, part in parts.items() for name in part}}
    (directory / "pytorch_model.bin.index.json").write_text(json.dumps(index), encoding="utf-8")
    torch.save({"lr": 0.1}, directory / "training_args.bin")
    return case


@kind("a wrapped model with a value head")
def wrapped(directory: Path, tokenizer: Tokenizer) -> Case:
    case = saved(directory, tokenizer)
    state = {f"pretrained_model.{name}": tensor for name, tensor in load_file(directory / "model.safetensors").items()}
    (directory / "model.safetensors").unlink()
    torch.save(state | {"v_head.summary.weight": torch.ones(1, 16)}, directory / "pytorch_model.bin")
    case.notes["left out"] = "1 tensor of another head"
    return case


@kind("one file without its config.json")
def one_file(directory: Path, tokenizer: Tokenizer) -> Case:
    case = saved(directory, tokenizer)
    (directory / "config.json").unlink()
    case.path, case.n_head = directory / "model.safetensors", 2
    case.notes["guessed"] = "activation_function gelu_new, as Hugging Face's GPT-2 computes it"
    return case


# --- the book, nanoGPT, minGPT ------------------------------------------------------------------------------------


@kind("the book's model.pth")
def book(directory: Path, tokenizer: Tokenizer, rows: int = 50257, qkv_bias: bool = False) -> Case:
    theirs = BookGPT(rows, qkv_bias)
    directory.mkdir(parents=True)
    torch.save(theirs.state, directory / "model.pth")
    if rows == tokenizer.vocab_size:
        tokenizer.save(directory)
    guessed = "2 heads of 64 numbers each, as GPT-2 has them" + ("; GPT-2's vocabulary" if rows == 50257 else "")
    notes = {"guessed": guessed, "left out": "2 causal masks"}
    return Case(directory / "model.pth", theirs, notes)


@kind("the book's model_and_optimizer.pth")
def book_with_optimizer(directory: Path, tokenizer: Tokenizer) -> Case:
    case = book(directory, tokenizer, 300)
    state = torch.load(case.path)
    case.path = directory / "model_and_optimizer.pth"
    torch.save({"model_state_dict": state, "optimizer_state_dict": {"state": {}, "param_groups": []}}, case.path)
    case.notes["left out"] = r"1 entry beside the weights \(optimizer_state_dict\)"
    return case


@kind("the book's model with GPT-2's biases")
def book_with_biases(directory: Path, tokenizer: Tokenizer) -> Case:
    return book(directory, tokenizer, 300, qkv_bias=True)


def nanogpt(directory: Path, tokenizer: Tokenizer, prefix: str, rows: int, bias: bool) -> Case:
    theirs = NanoGPT(rows, bias)
    directory.mkdir(parents=True)
    state = {prefix + name: tensor for name, tensor in theirs.state.items()}
    content = {"model": state, "optimizer": {"state": {}}, "model_args": theirs.arguments, "iter_num": 5}
    torch.save(content | {"best_val_loss": torch.tensor(1.5), "config": {"dataset": "x"}}, directory / "ckpt.pt")
    said = {"guessed": "activation_function gelu, as nanoGPT computes it", "left out": "4 entries beside the weights"}
    tokenizer.save(directory)
    return Case(directory, theirs, said)


@kind("nanoGPT's ckpt.pt")
def nano(directory: Path, tokenizer: Tokenizer) -> Case:
    return nanogpt(directory, tokenizer, "", 300, bias=True)


@kind("nanoGPT's ckpt.pt, compiled, without biases, with more rows than tokens")
def nano_compiled(directory: Path, tokenizer: Tokenizer) -> Case:
    case = nanogpt(directory, tokenizer, "_orig_mod.", 320, bias=False)
    case.notes |= {"changed": "11 biases that it was trained without are zeros", "kept": "20 rows"}
    return case


@kind("minGPT")
def mingpt(directory: Path, tokenizer: Tokenizer) -> Case:
    theirs = NanoGPT(approximate="tanh")
    masks = {f"transformer.h.{layer}.attn.bias": torch.ones(1, 1, 32, 32).tril() for layer in range(2)}
    # attn.bias is the mask, attn.c_attn.bias the bias
    directory.mkdir(parents=True)
    torch.save(theirs.state | masks, directory / "model.pt")
    tokenizer.save(directory)
    return Case(
        directory,
        theirs,
        {"guessed": "activation_function gelu_new, as minGPT computes it", "left out": "2 causal masks"},
        n_head=2,
    )


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process of its own for PyTorch's files, which takes seconds to start; test_pytorch_files.py has it."""
    monkeypatch.setattr(pytorch_files, "read", lambda paths, beside: pytorch_files.merge(paths))


@pytest.mark.parametrize("name", MAKE)
@torch.inference_mode()
def test_a_layout_comes_in_with_its_own_logits(
    name: str, tmp_path: Path, tokenizer: Tokenizer, in_this_process
) -> None:
    case = MAKE[name](tmp_path / "theirs", tokenizer)
    notes = hub.import_model(str(case.path), tmp_path / "ours", n_head=case.n_head)
    loaded = checkpoint.load_any(tmp_path / "ours")
    idx = torch.arange(2 * 32).view(2, 32) * 37 % loaded.tokenizer.vocab_size
    expected = case.logits(idx)
    if isinstance(loaded.model, GPT):
        found, expected = loaded.model(idx)[0], expected[..., : loaded.tokenizer.vocab_size]
    else:
        found = loaded.model(idx, torch.tensor([31, 31]))
    assert found.shape == expected.shape
    assert expected.std() > 0.01  # the two texts, and of a language model the tokens, differ
    assert (found - expected).abs().max() < 1e-4
    said = {kind: "; ".join(note.what for note in notes if note.kind == kind) for kind in {note.kind for note in notes}}
    assert said.keys() == case.notes.keys()
    assert all(re.search(case.notes[kind], said[kind]) for kind in said)
    assert loaded.card.data == said
    for text, ids in case.ids.items():
        assert loaded.tokenizer.encode(text) == ids


def test_rows_that_were_kept_go_out_and_come_back(tmp_path: Path, tokenizer: Tokenizer) -> None:
    case = padded_after_adding(tmp_path / "theirs", tokenizer)
    hub.import_model(str(case.path), tmp_path / "ours")
    first, again = load_file(case.path / "model.safetensors"), load_file(tmp_path / "ours" / "model.safetensors")
    assert torch.equal(first["transformer.wte.weight"], again["transformer.wte.weight"])
    theirs = GPT2LMHeadModel.from_pretrained(tmp_path / "ours")
    idx = torch.arange(32)[None]
    assert (theirs(idx).logits - case.logits(idx)).abs().max() < 1e-4


def test_a_reward_model_is_one_of_ours(tmp_path: Path, tokenizer: Tokenizer) -> None:
    hub.import_model(str(reward(tmp_path / "theirs", tokenizer).path), tmp_path / "ours")
    assert checkpoint.is_reward_model(tmp_path / "ours")
    assert checkpoint.load_classifier(tmp_path / "ours").model.labels == (REWARD,)


def test_arguments_that_disagree_with_the_weights_are_told(
    tmp_path: Path, tokenizer: Tokenizer, in_this_process
) -> None:
    case = nano(tmp_path / "theirs", tokenizer)
    content = torch.load(case.path / "ckpt.pt")
    torch.save(content | {"model_args": content["model_args"] | {"n_layer": 3}}, case.path / "ckpt.pt")
    with pytest.raises(ValueError, match=r"ckpt\.pt says n_layer 3, but its weights have 2"):
        hub.import_model(str(case.path), tmp_path / "ours")


def test_a_model_of_characters_is_refused_with_what_to_do(tmp_path: Path) -> None:
    save_file({name: tensor.clone() for name, tensor in NanoGPT(65).state.items()}, tmp_path / "ckpt.safetensors")
    with pytest.raises(ValueError, match="holds a model of 65 tokens, as nanoGPT makes of single characters"):
        foreign_weights.read(tmp_path / "ckpt.safetensors", tmp_path, n_head=2)


SHAPES: dict[str, Callable[[Tensor], Tensor | None]] = {
    "missing": lambda tensor: None,
    "a number": lambda tensor: torch.tensor(1.0),
    "a row less": lambda tensor: tensor[1:].clone(),
    "one dimension more": lambda tensor: tensor[None].clone(),
    "whole numbers": lambda tensor: torch.ones_like(tensor, dtype=torch.int64),
    "complex": lambda tensor: tensor.to(torch.complex64),
}
STATES = {
    "book": (
        BookGPT(300, qkv_bias=True),
        ("tok_emb", "pos_emb", "0.att.W_key", "1.ff.layers.2", "norm1.scale", "out_head"),
    ),
    "nanoGPT": (NanoGPT(), ("wte", "wpe", "0.attn.c_attn", "1.mlp.c_proj", "ln_1", "lm_head")),
    "nanoGPT without biases": (NanoGPT(bias=False), ("wte", "wpe", "1.attn.c_attn", "0.mlp.c_fc", "ln_f", "lm_head")),
}


@pytest.mark.filterwarnings("ignore")  # of numbers that are complex no more
@pytest.mark.parametrize("change", SHAPES)
@pytest.mark.parametrize("name", STATES)
def test_a_tensor_of_any_other_shape_or_type_is_told_in_a_sentence(name, change, tmp_path, tokenizer) -> None:
    theirs, parts = STATES[name]
    tokenizer.save(tmp_path)
    for part in parts:
        damaged = next(key for key in theirs.state if part in key)
        state = theirs.state | {damaged: SHAPES[change](theirs.state[damaged])}
        state = {key: tensor.clone() for key, tensor in state.items() if tensor is not None}
        save_file(state, tmp_path / "model.safetensors")
        is_tied = change == "missing" and "head" in part
        if is_tied or (change == "a row less" and part in ("tok_emb", "pos_emb", "wte", "wpe")):
            continue  # another model, but a whole one
        with pytest.raises(ValueError, match=r"model\.safetensors") as error:
            foreign_weights.read(tmp_path / "model.safetensors", tmp_path, n_head=2)
        assert "\n" not in str(error.value)
