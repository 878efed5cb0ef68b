"""Models for other programs: `transformers` reads our GGUF and computes the same, and nothing there is overwritten."""

import json
import zipfile
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from gguf import GGUFReader, dequantize
from huggingface_hub import ModelCard
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from core import checkpoint, gguf_file, hub_upload
from core.__main__ import main
from core.added_words import AddedWord
from core.chat_template import ALPACA, CHAT, encode_chat, with_template
from core.checkpoint import Card
from core.classifier import SequenceClassifier
from core.export import export, ollama_template
from core.huggingface import REWARD
from core.model import GPT
from core.model_card import model_card
from core.tokenizer import Tokenizer
from tests.helpers.hub_server import serve

IDS = torch.tensor([[3, 141, 59, 26, 297, 5, 35, 89, 79, 3]])
SETTINGS = {"max_steps": 3, "parent": "/home/me/checkpoints/base"}
KEPT = "3 rows of /home/me/gpt/config.json, which are never drawn"
ANSWERS = Card("sft", "base", 3, SETTINGS, {"corpus": "plays", "kept": KEPT}, {"bpb/val": 2.25, "follow/begin": 0.5})


@pytest.fixture
def save(tmp_path, tokenizer):
    def save(model, card=ANSWERS) -> Path:
        checkpoint.save(tmp_path / "mine", model, tokenizer, card)
        return tmp_path / "mine"

    return save


def as_transformers(directory: Path, file: Path):
    """The GGUF as `transformers` opens it. It takes 1,024 positions for granted, so the shape is given."""
    return AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, config=AutoConfig.from_pretrained(directory)
    ).eval()


@torch.inference_mode()
def logits(model) -> torch.Tensor:
    found = model(IDS)
    return found[0] if isinstance(found, tuple) else found.logits


# --- GGUF -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes", [{}, {"activation_function": "gelu"}, {"qkv_bias": False}, {"tie_word_embeddings": False}], ids=str
)
def test_transformers_computes_the_same_from_a_gguf_in_float32(save, tmp_path, make_model, changes):
    model = make_model(**changes)
    directory = save(model)
    export(directory, tmp_path / "mine.gguf")
    torch.testing.assert_close(logits(as_transformers(directory, tmp_path / "mine.gguf")), logits(model))


def test_an_attention_scale_lies_in_the_queries(save, tmp_path, make_model):
    model = make_model(attn_scale=0.5)
    directory = save(model)
    export(directory, tmp_path / "mine.gguf")
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(config | {"attn_scale": None}))  # transformers knows none
    opened = as_transformers(directory, tmp_path / "mine.gguf")
    torch.testing.assert_close(logits(opened), logits(model), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("type", "bits"), [("f16", 11), ("q8_0", 7)])
def test_smaller_types_hold_each_weight_as_well_as_they_promise(save, tmp_path, model, type, bits):
    directory = save(model)
    export(directory, tmp_path / "mine.gguf", type)
    exact = gguf_file.tensors(model)
    for tensor in GGUFReader(tmp_path / "mine.gguf").tensors:
        expected = exact[tensor.name]
        found = torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).copy()).view_as(expected)
        block = expected.unflatten(-1, (-1, min(32, expected.shape[-1])))
        largest = block.abs().amax(-1, keepdim=True).expand_as(block).flatten(-2)
        bound = largest if type == "q8_0" else expected.abs()
        assert ((found - expected).abs() <= 0.51 * 2 * bound * 2.0**-bits + 1e-7).all(), tensor.name
    gguf_logits = logits(as_transformers(directory, tmp_path / "mine.gguf"))
    assert not torch.equal(gguf_logits, logits(model))
    rounded = GPT(model.config).eval()
    rounded.load_state_dict(state_from(tmp_path / "mine.gguf", model))
    torch.testing.assert_close(gguf_logits, logits(rounded), rtol=1e-4, atol=1e-4)


def state_from(path: Path, model: GPT) -> dict[str, torch.Tensor]:
    """The weights of a GGUF under our names."""
    found = {tensor.name: dequantize(tensor.data, tensor.tensor_type) for tensor in GGUFReader(path).tensors}
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for name, tensor in state.items():
        if name != "lm_head.weight":
            weight = torch.from_numpy(found[gguf_file.gguf_name(name)].copy())
            tensor[: len(weight)] = weight
    state["lm_head.weight"] = state["transformer.wte.weight"]
    return state


def test_rows_that_have_no_blocks_of_32_are_float16_and_it_is_said(save, tmp_path, make_model):
    directory = save(make_model(n_embd=48))
    said = export(directory, tmp_path / "mine.gguf", "q8_0")
    kinds = {tensor.name: tensor.tensor_type.name for tensor in GGUFReader(tmp_path / "mine.gguf").tensors}
    assert kinds["token_embd.weight"] == "F16" and kinds["blk.0.ffn_down.weight"] == "Q8_0"  # 192 wide
    n_coarser = sum(kind == "F16" for kind in kinds.values())
    assert any(sentence.startswith(f"{n_coarser} matrices are float16") for sentence in said)


def test_weights_that_float16_cannot_write_are_refused(save, tmp_path, model):
    with torch.no_grad():
        model.transformer.h[0].mlp.c_fc.weight[0, 0] = 1e5
    with pytest.raises(ValueError, match=r"blk.0.ffn_up.weight holds weights beyond .* export it as f32"):
        export(save(model), tmp_path / "mine.gguf", "f16")
    assert not list(tmp_path.glob("*.gguf")) and not list(tmp_path.glob(".*.tmp"))


def test_the_vocabulary_gives_the_same_ids_and_knows_its_special_tokens(save, tmp_path, model, tokenizer):
    directory = save(model)
    export(directory, tmp_path / "mine.gguf")
    opened = AutoTokenizer.from_pretrained(tmp_path, gguf_file="mine.gguf")
    text = "Tomorrow, and tomorrow;  the Käfer was 漢字 🙂\n\n it's 42"
    assert opened(text, add_special_tokens=False).input_ids == tokenizer.encode(text)
    fields = {name: field.contents() for name, field in GGUFReader(tmp_path / "mine.gguf").fields.items()}
    types = fields["tokenizer.ggml.token_type"]
    assert [id for id, type in enumerate(types) if type == gguf_file.CONTROL] == [297, 298, 299]
    assert fields["tokenizer.ggml.eos_token_id"] == fields["tokenizer.ggml.bos_token_id"] == tokenizer.eot
    assert fields["tokenizer.ggml.pre"] == "gpt-2" and fields["tokenizer.chat_template"] == CHAT.jinja
    assert fields["gpt2.context_length"] == model.config.block_size


def test_added_words_and_rows_without_a_token_are_called_what_they_are(tmp_path, make_model, tokenizer):
    words = Tokenizer(tokenizer.ranks, tokenizer.special_tokens, {AddedWord("covid19"): 300})
    gguf_file.write(tmp_path / "mine.gguf", make_model(vocab_size=303), words, "f32", "mine")
    fields = {name: field.contents() for name, field in GGUFReader(tmp_path / "mine.gguf").fields.items()}
    assert fields["tokenizer.ggml.tokens"][300:] == ["covid19", "[PAD301]", "[PAD302]"]
    assert fields["tokenizer.ggml.token_type"][296:] == [1, 3, 3, 3, 4, 5, 5]


def test_what_the_tanh_form_changes_is_measured_and_said(save, tmp_path, make_model, tokenizer):
    assert gguf_file.gelu_difference(make_model(), tokenizer) == 0
    exact = make_model(activation_function="gelu", std=0.5)
    moved = gguf_file.gelu_difference(exact, tokenizer)
    assert 0 < moved < 0.01
    (_, sentence) = export(save(exact), tmp_path / "mine.gguf")
    assert "exact GELU" in sentence and f"{moved:.1g} nats a token" in sentence


# --- Ollama ---------------------------------------------------------------------------------------------------


def test_the_modelfile_puts_the_turns_as_the_model_learned_them(save, tmp_path, model, tokenizer):
    export(save(model), tmp_path / "mine.gguf")
    text = (tmp_path / "mine.Modelfile").read_text()
    assert text.startswith("FROM ./mine.gguf\n") and "PARAMETER num_ctx 16\n" in text
    for end in ("<|endoftext|>", "<|user|>", "<|assistant|>"):
        assert f'PARAMETER stop "{end}"\n' in text
    filled = ollama_template(tokenizer).replace("{{ if .System }}{{ .System }}\n\n{{ end }}", "Be brief.\n\n")
    filled = filled.replace("{{ .Prompt }}", "Who goes?").replace("{{ .Response }}", "I.")
    turns = [{"role": "user", "content": "Be brief.\n\nWho goes?"}, {"role": "assistant", "content": "I."}]
    assert filled == tokenizer.decode(encode_chat(tokenizer, turns)[0])


def test_the_books_template_is_put_into_the_modelfile_likewise(tmp_path, tokenizer):
    filled = ollama_template(with_template(tokenizer, "alpaca"))
    assert filled.startswith(ALPACA.head) and "### Instruction:\n{{ if .System }}" in filled
    assert filled.endswith("### Response:\n{{ .Response }}<|endoftext|>")


def test_a_model_that_continues_texts_is_given_them_as_they_are(save, tmp_path, model):
    export(save(model, Card("pretrain")), tmp_path / "mine.gguf")
    text = (tmp_path / "mine.Modelfile").read_text()
    assert 'TEMPLATE """{{ .Prompt }}"""' in text and text.count("PARAMETER stop") == 1


# --- refusals -------------------------------------------------------------------------------------------------


def test_nothing_that_is_there_is_overwritten_unless_asked(save, tmp_path, model, capsys, caplog):
    caplog.set_level("INFO")
    directory = save(model)
    (tmp_path / "mine.Modelfile").write_text("my own")
    with pytest.raises(ValueError, match=r"already something called .*mine.Modelfile"):
        export(directory, tmp_path / "mine.gguf")
    assert not (tmp_path / "mine.gguf").exists()
    (tmp_path / "mine.zip").write_text("my own")
    assert main(["export", str(directory), str(tmp_path / "mine.zip")]) == 1
    assert "replace it with --force" in capsys.readouterr().err
    assert (tmp_path / "mine.zip").read_text() == "my own"
    assert main(["export", str(directory), str(tmp_path / "mine.zip"), "--force"]) == 0
    assert main(["export", str(directory), str(tmp_path / "mine.gguf"), "--force", "--type", "f16"]) == 0
    assert "and mine.Modelfile beside it" in caplog.text
    assert zipfile.is_zipfile(tmp_path / "mine.zip") and GGUFReader(tmp_path / "mine.gguf").tensors


@pytest.mark.parametrize(
    ("target", "reason"),
    [("mine.bin", "must end with .gguf, .html or .zip"), ("nowhere/mine.zip", "nowhere"), ("", "say where to: a FILE")],
)
def test_a_target_that_cannot_be_written_is_one_sentence(save, tmp_path, model, capsys, target, reason):
    where = [str(tmp_path / target)] if target else []
    assert main(["export", str(save(model)), *where]) == 1
    error = capsys.readouterr().err
    assert reason in error and error.count("\n") == 1


def test_a_reward_model_goes_into_a_zip_but_not_into_a_gguf(save, tmp_path, model):
    directory = save(SequenceClassifier(model.config, [REWARD]), Card("reward", "base"))
    with pytest.raises(ValueError, match="is a classifier: it writes no text"):
        export(directory, tmp_path / "mine.gguf")
    export(directory, tmp_path / "mine.zip")
    with pytest.raises(ValueError, match="has no weights yet, or is no checkpoint"):
        export(tmp_path, tmp_path / "other.zip")


# --- zip and model card ---------------------------------------------------------------------------------------


def test_a_zip_holds_the_checkpoint_and_its_card_and_can_be_opened_elsewhere(save, tmp_path, model):
    directory = save(model)
    (directory / "metrics.jsonl").write_text("{}\n")
    export(directory, tmp_path / "mine.zip")
    with zipfile.ZipFile(tmp_path / "mine.zip") as archive:
        assert "mine/metrics.jsonl" not in archive.namelist() and "mine/README.md" in archive.namelist()
        archive.extractall(tmp_path / "elsewhere")
    assert checkpoint.load(tmp_path / "elsewhere" / "mine").model.config == model.config


def test_the_card_tells_what_the_checkpoint_knows_and_no_path_of_this_machine(save, model):
    directory = save(model)
    lines = [{"step": step, "prompt": "ROMEO:\n", "text": f"Ay | {step}"} for step in (1, 2, 3, 3)]
    (directory / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    card = ModelCard(model_card(directory, "mit"))
    assert (card.data.license, card.data.pipeline_tag, card.data.library_name) == (
        "mit",
        "text-generation",
        "transformers",
    )
    assert "| 2.25 |" in card.text and "| instructions followed: begin | 50 % (n not noted) |" in card.text
    assert "Trained from `base` in 3 optimiser steps" in card.text and "| parent | base |" in card.text
    assert "    Ay | 3" in card.text and "Ay | 1" not in card.text and "| corpus | plays |" in card.text
    assert "| kept | 3 rows of config.json, which are never drawn |" in card.text
    assert "/home/me" not in card.text and str(directory.parent) not in card.text
    assert "None was given" in model_card(directory)


def test_the_hub_is_told_from_which_of_its_models_this_one_comes(save, model):
    card = ModelCard(model_card(save(model, Card("imported", f"openai-community/gpt2@{'0' * 40}"))))
    assert card.data.base_model == "openai-community/gpt2"
    shipped = ModelCard(model_card(save(model, Card(**asdict(ANSWERS) | {"shipped": True}))))
    assert shipped.data.license == "mit"


# --- the hub --------------------------------------------------------------------------------------------------


def test_what_is_pushed_is_the_checkpoint_with_its_card(save, model, monkeypatch):
    with serve() as hub:
        monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", hub.url)
        directory = save(model)
        (directory / "metrics.jsonl").write_text("{}\n")
        address = hub_upload.push(directory, "me/mine", "hf_secret", license="mit")
        assert address.endswith("me/mine")
        assert hub.uploads["me/mine"].keys() == {
            *("README.md", "card.json", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
        }
        assert hub.uploads["me/mine"]["model.safetensors"] == (directory / "model.safetensors").read_bytes()
        assert b'license: "mit"' in hub.uploads["me/mine"]["README.md"]
        with pytest.raises(ValueError, match="there is already a model me/mine"):
            hub_upload.push(directory, "me/mine", "hf_secret")
        with pytest.raises(ValueError, match="refuses to write you/mine with this token"):
            hub_upload.push(directory, "you/mine", "hf_secret")


def test_what_cannot_be_pushed_is_said_before_anything_is_sent(save, model, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(ValueError, match="no token: set HF_TOKEN"):
        hub_upload.push(save(model), "me/mine")
    with pytest.raises(ValueError, match="is no model's id"):
        hub_upload.push(tmp_path / "mine", "mine", "hf_secret")
    with pytest.raises(ValueError, match="has no weights yet"):
        hub_upload.push(tmp_path, "me/mine", "hf_secret")


def test_a_zip_holds_nothing_to_which_a_link_leads_out_of_the_checkpoint(save, tmp_path, model):
    directory, secret = save(model), tmp_path / "secret.txt"
    secret.write_text("the password")
    (directory / "extra.safetensors").symlink_to(secret)
    (directory / "card.json").rename(directory / "own.txt")
    (directory / "card.json").symlink_to("own.txt")  # within the checkpoint
    said = export(directory, tmp_path / "mine.zip")
    with zipfile.ZipFile(tmp_path / "mine.zip") as archive:
        names = {Path(name).name for name in archive.namelist()}
        assert "card.json" in names and "extra.safetensors" not in names
        assert not any(b"the password" in archive.read(name) for name in archive.namelist())
    assert said[1] == "1 link to other places left out (extra.safetensors)"
    (directory / "tokenizer.json").rename(tmp_path / "elsewhere.json")
    (directory / "tokenizer.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(ValueError, match=r"tokenizer.json of .* lies elsewhere, where a link leads"):
        export(directory, tmp_path / "other.zip")
