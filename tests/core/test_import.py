"""Weights in and out: what Hugging Face computes with a GPT-2, ours does after the import and theirs after the export.

What cannot be imported faithfully is refused in one sentence, and nothing is left behind.
"""

import errno
import json
import os
import re
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM

from core import checkpoint, hub
from core.__main__ import main
from core.checkpoint import Card
from core.model import GPTConfig
from core.tokenizer import Tokenizer
from tests.helpers.gpt2 import (
    GPT2_124M,
    BookGPT,
    assert_same,
    change_json,
    change_tensors,
    logits,
    random_gpt2,
    write_vocabulary,
)
from tests.helpers.hub_server import serve

# The four published shapes with their numbers of heads and layers, as small as heads can be: (n_layer, n_head, n_embd).
SHAPES = {"gpt2": (12, 12, 24), "gpt2-medium": (24, 16, 32), "gpt2-large": (36, 20, 40), "gpt2-xl": (48, 25, 50)}
REPO = Path(__file__).parents[2]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def open_with_transformers(directory: Path) -> torch.nn.Module:
    model, report = AutoModelForCausalLM.from_pretrained(directory, output_loading_info=True)
    assert not any(report.values())  # nothing missing, unexpected or of another shape
    return model.eval()


@pytest.fixture
def source(tmp_path, tokenizer) -> Path:
    """A directory with a small GPT-2 as `transformers` saves it."""
    random_gpt2().save_pretrained(tmp_path / "source")
    tokenizer.save(tmp_path / "source")
    return tmp_path / "source"


@pytest.fixture
def refusal(tmp_path, capsys):
    """`refusal(*arguments)`: the one sentence with which the command fails; it leaves no directory behind."""

    def refusal(source: object, *flags: str) -> str:
        assert main(["import", str(source), str(tmp_path / "new"), *flags]) == 1
        assert not (tmp_path / "new").exists()
        sentence = capsys.readouterr().err.splitlines()[-1]
        assert sentence.startswith("error: ")
        return sentence

    return refusal


# --- there and back -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHAPES)
def test_a_gpt2_of_every_size_comes_in_and_goes_out_with_the_same_logits(name, tmp_path, tokenizer):
    n_layer, n_head, n_embd = SHAPES[name]
    theirs = random_gpt2(n_layer=n_layer, n_head=n_head, n_embd=n_embd)
    theirs.save_pretrained(tmp_path / "theirs")
    tokenizer.save(tmp_path / "theirs")
    assert main(["import", str(tmp_path / "theirs"), str(tmp_path / "ours")]) == 0
    loaded = checkpoint.load(tmp_path / "ours")
    assert_same(loaded.model, theirs)
    assert_same(open_with_transformers(tmp_path / "ours"), theirs)
    assert loaded.tokenizer.digest == tokenizer.digest
    assert (loaded.card.stage, loaded.card.parent) == ("imported", str(tmp_path / "theirs"))


@pytest.mark.parametrize("changes", [{"qkv_bias": False, "tie_word_embeddings": False}, {"tie_word_embeddings": False}])
def test_the_books_gpt_goes_out_and_comes_back(changes, tmp_path, make_model, tokenizer):
    model = make_model(block_size=32, **changes)
    checkpoint.save(tmp_path / "ours", model, tokenizer, Card())
    assert_same(model, open_with_transformers(tmp_path / "ours"))
    hub.import_model(str(tmp_path / "ours"), tmp_path / "again")
    again = checkpoint.load(tmp_path / "again").model
    assert again.config == model.config
    assert torch.equal(logits(again), logits(model))


def test_an_untied_head_comes_in_and_goes_out(tmp_path, tokenizer):
    theirs = random_gpt2(tie_word_embeddings=False)
    theirs.save_pretrained(tmp_path / "theirs")
    tokenizer.save(tmp_path / "theirs")
    hub.import_model(str(tmp_path / "theirs"), tmp_path / "ours")
    assert_same(checkpoint.load(tmp_path / "ours").model, theirs)
    assert_same(open_with_transformers(tmp_path / "ours"), theirs)


@pytest.mark.slow
def test_the_whole_124_million_weights_come_in_and_go_out(tmp_path):
    theirs = random_gpt2(0.1, **GPT2_124M)
    theirs.save_pretrained(tmp_path / "theirs")
    write_vocabulary(tmp_path / "theirs", "two files")
    hub.import_model(str(tmp_path / "theirs"), tmp_path / "ours")
    ours = checkpoint.load(tmp_path / "ours").model
    assert ours.config == GPTConfig.preset("gpt2", dropout=0.1)
    assert_same(ours, theirs)
    assert_same(open_with_transformers(tmp_path / "ours"), theirs)


@pytest.mark.slow
def test_the_books_gpt_with_gpt2s_words_goes_out_and_comes_back(tmp_path, make_model):
    shape = GPTConfig.preset("gpt2", n_embd=192, qkv_bias=False, tie_word_embeddings=False, activation_function="gelu")
    model = make_model(0.1, **shape.to_dict())
    checkpoint.save(tmp_path / "ours", model, Tokenizer.gpt2(), Card())
    assert_same(model, open_with_transformers(tmp_path / "ours"))
    assert_same(checkpoint.load(tmp_path / "ours").model, model)


# --- the many faces of GPT-2 ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "dtype"),
    [("on the hub", torch.float32), ("two files", torch.float16), ("transformers", torch.bfloat16)],
)
def test_gpt2_as_it_lies_on_the_hub_comes_in(form, dtype, tmp_path):
    theirs = random_gpt2(vocab_size=50257).to(dtype)
    theirs.save_pretrained(tmp_path / "theirs")
    write_vocabulary(tmp_path / "theirs", form)
    change_json(tmp_path / "theirs" / "config.json", n_ctx=32, task_specific_params={"text-generation": {}})

    def as_published(tensors: dict[str, Tensor]) -> None:
        for name in list(tensors):
            tensors[name.removeprefix("transformer.")] = tensors.pop(name)
        for layer in range(2):
            tensors[f"h.{layer}.attn.bias"] = torch.ones(1, 1, 32, 32).tril()
            tensors[f"h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)

    change_tensors(tmp_path / "theirs" / "model.safetensors", as_published)
    hub.import_model(str(tmp_path / "theirs"), tmp_path / "ours")
    loaded = checkpoint.load(tmp_path / "ours")
    assert_same(loaded.model, theirs.float())
    assert loaded.tokenizer.digest == Tokenizer.gpt2().digest


def test_what_was_done_to_the_weights_is_said_and_kept(source, tmp_path, caplog):
    caplog.set_level("INFO")
    change_tensors(source / "model.safetensors", lambda tensors: tensors.update({"v_head.weight": torch.ones(1, 16)}))
    assert main(["import", str(source), str(tmp_path / "made" / "new")]) == 0
    assert "left out: 1 tensor of another head (v_head.weight)" in caplog.messages
    assert checkpoint.load(tmp_path / "made" / "new").card.data == {
        "left out": "1 tensor of another head (v_head.weight)"
    }
    caplog.clear()
    checkpoint.load(source)  # opened as it is
    assert caplog.messages == [f"{source}: left out: 1 tensor of another head (v_head.weight)"]


# --- what is refused ------------------------------------------------------------------------------------------

WTE, BIAS = "transformer.wte.weight", "transformer.h.1.attn.c_attn.bias"


def put(name: str, change):
    """Damage: the tensor `name` becomes `change` of it."""

    def damage(directory: Path) -> None:
        change_tensors(directory / "model.safetensors", lambda t: t.update({name: change(t.get(name, t[WTE]))}))

    return damage


def configure(**changes):
    return lambda directory: change_json(directory / "config.json", **changes)


def remove_setting(directory: Path) -> None:
    path = directory / "config.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["n_head"]
    path.write_text(json.dumps(content), encoding="utf-8")


def split_weights(directory: Path, weight_map: object) -> None:
    (directory / "model.safetensors").rename(directory / "model-00001-of-00002.safetensors")
    index = json.dumps({"weight_map": weight_map})
    (directory / "model.safetensors.index.json").write_text(index, encoding="utf-8")


def publish_other_vocabulary(directory: Path) -> None:
    (directory / "tokenizer.json").unlink()
    merges = "#version: 0.2\n\u0120 t\n"
    (directory / "merges.txt").write_text(merges, encoding="utf-8")
    (directory / "vocab.json").write_text(json.dumps({"t": 0, "<|endoftext|>": 257}), encoding="utf-8")


def two_models(directory: Path) -> None:
    (directory / "model.safetensors").rename(directory / "model.safetensors.bak.pt")
    (directory / "a.pth").touch()


def publish_tensorflow(directory: Path) -> None:
    (directory / "model.safetensors").unlink()
    for name in ("checkpoint", "model.ckpt.index", "model.ckpt.meta", "model.ckpt.data-00000-of-00001", "hparams.json"):
        (directory / name).touch()


def book_classifier(directory: Path) -> None:
    state = BookGPT(300).state | {"out_head.weight": torch.ones(2, 128), "out_head.bias": torch.ones(2)}
    save_file(state, directory / "model.safetensors")


def rename(name: str):
    """Damage: one tensor of that name, and no other."""
    return lambda directory: save_file({name: torch.ones(2, 2)}, directory / "model.safetensors")


BAD = {
    "nan": (
        put(BIAS, lambda t: t.index_fill(0, torch.tensor([5]), torch.nan)),
        f"{BIAS} holds values that are not num",
    ),
    "infinity": (put(WTE, lambda t: t * torch.inf), f"{WTE} holds values that are not numbers"),
    "shape": (put(BIAS, lambda t: t[:-1]), rf"{BIAS} is \(47,\), but .*config.json makes it \(48,\)"),
    "integers": (put(BIAS, lambda t: t.to(torch.int8)), f"{BIAS} holds torch.int8 numbers"),
    "a_tensor_too_many": (
        put("h.0.extra", lambda t: t + 1),
        "holds transformer.h.0.extra, which is no part of the GPT-2",
    ),
    "another_head": (put("lm_head.weight", lambda t: t + 1), "has a head that differs from the token embedding"),
    "untied_without_head": (
        configure(tie_word_embeddings=False),
        "lacks lm_head.weight, which .*config.json calls for",
    ),
    "no_vocabulary": (lambda d: (d / "tokenizer.json").unlink(), "has no vocabulary, and 300 rows are not GPT-2's"),
    "other_vocabulary": (publish_other_vocabulary, "vocab.json: the ids do not follow the order of the merges"),
    "no_config": (
        lambda d: (d / "config.json").unlink(),
        "does not say how many heads its 16 numbers are divided among: say it, as in .* --n-head 4",
    ),
    "no_n_head": (remove_setting, "config.json does not say n_head"),
    "shard": (lambda d: split_weights(d, {"x": "b.safetensors"}), "complete checkpoint: b.safetensors missing"),
    "index": (lambda d: split_weights(d, 1), "model.safetensors.index.json is damaged: it has no weight_map"),
    "llama": (configure(model_type="llama"), "a model of type 'llama'; only gpt2 can be opened"),
    "relu": (configure(activation_function="relu"), "activation_function must be one of gelu, gelu_new, got 'relu'"),
    "cross_attention": (configure(add_cross_attention=True), "add_cross_attention is not supported"),
    "no_weights": (lambda d: (d / "model.safetensors").unlink(), "source holds no weights: model.safetensors, pytorch"),
    "several": (two_models, r"holds several files of weights \(a.pth, model.safetensors.bak.pt\): import one of them"),
    "tensorflow": (
        publish_tensorflow,
        "model.ckpt.index, a checkpoint of TensorFlow's, as OpenAI .*: import gpt2 by its",
    ),
    "adapter": (lambda d: (d / "adapter_config.json").write_text("{}"), "a LoRA adapter, which is no model of its own"),
    "llamas_names": (
        rename("model.layers.0.self_attn.q_proj.weight"),
        "holds the weights of LLaMA, Mistral, Qwen or a r",
    ),
    "book_classifier": (book_classifier, "is a classifier as the book's chapter 6 makes it"),
    "no_gpt2": (rename("encoder.weight"), "holds no GPT-2: its tensors are encoder.weight"),
    "head_bias": (put("lm_head.bias", lambda t: t[:, 0].clone()), "holds lm_head.bias, which is no part of the GPT-2"),
    "several_labels": (configure(problem_type="multi_label_classification"), "several labels at once is not supported"),
    "n_inner": (configure(n_inner=32), "n_inner must be 4 n_embd, which is 64, got 32"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_imported_faithfully_is_refused(name, source, refusal):
    damage, sentence = BAD[name]
    damage(source)
    refused = refusal(source)
    assert re.search(sentence, refused)
    assert str(source) in refused


def test_what_is_there_already_is_not_written_over(source, tmp_path, capsys):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").write_text("mine", encoding="utf-8")
    for taken in (tmp_path / "taken", tmp_path / "taken" / "notes.txt"):
        assert main(["import", str(source), str(taken)]) == 1
        assert f"there is already something called {taken.name}" in capsys.readouterr().err
    assert os.listdir(tmp_path / "taken") == ["notes.txt"]
    (tmp_path / "empty").mkdir()
    assert main(["import", str(source), str(tmp_path / "empty")]) == 0
    assert checkpoint.is_checkpoint(tmp_path / "empty")


@pytest.mark.parametrize("path", ["./absent", "/absent/gpt2", "C:\\models\\gpt2", "a/b/c", "what is this", "gpt2!"])
def test_what_is_a_path_is_not_looked_for_on_the_hub(path, tmp_path, refusal, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("core.hub.download", lambda *args: pytest.fail("the hub was asked"))
    assert "is neither a path here nor a model's id on the hub" in refusal(path)


def test_a_directory_has_no_revision(source, refusal):
    assert "which has no revision v2: leave --revision out" in refusal(source, "--revision", "v2")


# --- the hub --------------------------------------------------------------------------------------------------


@pytest.fixture
def online(tmp_path, monkeypatch):
    """A hub that is reachable, with an empty cache."""
    with serve() as server:
        use_hub(monkeypatch, server.url, tmp_path / "cache")
        yield server


def use_hub(monkeypatch, url: str, cache: Path) -> None:
    monkeypatch.setattr("huggingface_hub.HfApi", partial(huggingface_hub.HfApi, endpoint=url, token=False))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))


@pytest.fixture
def published(source) -> Path:
    """`source` with all the other files that a repository holds."""
    for name in ("pytorch_model.bin", "README.md", "onnx/config.json", "onnx/model.bin", "onnx/model.safetensors"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_bytes(b"not wanted")
    return source


NEEDED = ["config.json", "model.safetensors", "tokenizer.json"]


def test_gpt2_is_downloaded_at_its_known_commit(online, published, tmp_path, caplog, capfd, monkeypatch):
    monkeypatch.setenv("TQDM_POSITION", "-1")  # progress is for terminals; this shows it to others too
    caplog.set_level("INFO")
    pinned = hub.REVISIONS["openai-community/gpt2"]
    online.models["openai-community/gpt2"] = (pinned, published)
    assert main(["import", "gpt2", str(tmp_path / "new")]) == 0
    loaded = checkpoint.load(tmp_path / "new")
    assert_same(loaded.model, random_gpt2())
    assert loaded.card.parent == f"openai-community/gpt2@{pinned}"
    assert online.requests[0] == f"GET /api/models/openai-community/gpt2/revision/{pinned}"
    assert online.fetched() == NEEDED
    told = [one for one in caplog.messages if one.startswith(f"downloading openai-community/gpt2@{pinned}, file ")]
    assert [one.split(": ")[1] for one in told] == list(NEEDED)
    assert not any(line.startswith("HTTP Request") for line in caplog.messages)
    assert "model.safetensors: 100%" in capfd.readouterr().err


def test_the_card_keeps_the_commit_that_main_stood_at(online, published, tmp_path):
    online.models["distilbert/distilgpt2"] = (COMMIT, published)
    online.redirects["distilgpt2"] = "distilbert/distilgpt2"
    assert main(["import", "distilgpt2", str(tmp_path / "new")]) == 0
    assert checkpoint.load(tmp_path / "new").card.parent == f"distilbert/distilgpt2@{COMMIT}"


def test_what_was_downloaded_once_is_not_downloaded_again(online, published, tmp_path):
    online.models["me/mine"] = (COMMIT, published)
    hub.import_model("me/mine", tmp_path / "first")
    hub.import_model("me/mine", tmp_path / "second", revision=COMMIT)
    assert online.fetched() == NEEDED


def test_weights_in_several_files_are_downloaded(online, published, tmp_path):
    theirs = random_gpt2()
    (published / "model.safetensors").unlink()
    theirs.save_pretrained(published, max_shard_size="20KB")
    online.models["me/mine"] = (COMMIT, published)
    hub.import_model("me/mine", tmp_path / "new")
    assert_same(checkpoint.load(tmp_path / "new").model, theirs)
    assert not {"pytorch_model.bin", "README.md", "model.safetensors"} & set(online.fetched())  # onnx/ has one


def test_a_model_that_is_no_gpt2_is_refused_before_its_weights_are_fetched(online, published, refusal):
    configure(model_type="llama")(published)
    online.models["me/mine"] = (COMMIT, published)
    assert "a model of type 'llama'; only gpt2 can be opened" in refusal("me/mine")
    assert online.fetched() == ["config.json"]


def test_a_model_with_pickled_weights_is_read_in_a_process_of_its_own(online, published, tmp_path):
    torch.save(load_file(published / "model.safetensors"), published / "pytorch_model.bin")
    (published / "model.safetensors").unlink()
    online.models["me/mine"] = (COMMIT, published)
    hub.import_model("me/mine", tmp_path / "new")
    assert online.fetched() == ["config.json", "pytorch_model.bin", "tokenizer.json"]
    assert_same(checkpoint.load(tmp_path / "new").model, random_gpt2())


def test_damaged_weights_from_the_hub_are_refused(online, published, refusal):
    put(WTE, lambda tensor: tensor * torch.nan)(published)
    online.models["me/mine"] = (COMMIT, published)
    assert "wte.weight holds values that are not numbers" in refusal("me/mine")


REFUSALS = {
    "no model": ((404, "RepoNotFound"), "there is no model me/mine on the hub .* and no such directory here"),
    "gated": (
        (403, "GatedRepo"),
        "given only to those who accept its conditions: .*/me/mine, then log in with `hf auth",
    ),
    "trouble": ((500, ""), "answered 500 when asked for me/mine: try again later, or download"),
    "forbidden": ((403, ""), "answered 403 when asked for me/mine"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_the_hub_refuses_is_told_in_one_sentence(name, online, published, refusal):
    online.refusals["me/mine"], sentence = REFUSALS[name]
    online.models["me/mine"] = (COMMIT, published)
    assert re.search(sentence, refusal("me/mine"))


def test_a_revision_that_does_not_exist_is_named(online, published, refusal):
    online.models["me/mine"] = online.models["openai-community/gpt2"] = (COMMIT, published)
    assert "me/mine has no revision v9: try --revision main" in refusal("me/mine", "--revision", "v9")
    assert f"gpt2 has no revision {hub.REVISIONS['openai-community/gpt2']}: try" in refusal("gpt2")


def test_a_download_that_breaks_off_is_told_and_can_be_repeated(online, published, tmp_path, refusal, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    online.models["me/mine"] = (COMMIT, published)
    online.breaks_off = True
    assert "cannot reach" in refusal("me/mine")
    online.breaks_off = False
    hub.import_model("me/mine", tmp_path / "new")
    assert_same(checkpoint.load(tmp_path / "new").model, random_gpt2())


FAILURES = {
    "full disk": (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
    "Xet": (RuntimeError("Task error: request error\nmore"), r"broke off \(Task error: request error\): try again, or"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_happens_on_this_side_of_the_line_is_told_as_well(name, online, published, refusal, monkeypatch):
    failure, sentence = FAILURES[name]

    def fail(*args, **kwargs):
        raise failure

    online.models["me/mine"] = (COMMIT, published)
    monkeypatch.setattr("huggingface_hub.file_download.http_get", fail)
    assert re.search(sentence, refusal("me/mine"))


def test_a_page_that_asks_for_a_login_is_not_the_hub(online, refusal):
    online.says = b"<html>Welcome to our wireless network"
    assert "cannot reach http://127.0.0.1" in refusal("me/mine")


def test_without_the_package_a_directory_can_still_be_imported(source, tmp_path, refusal, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert "pip install huggingface_hub, or download the model's directory elsewhere" in refusal("gpt2")
    hub.import_model(str(source), tmp_path / "new")


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_offline_the_command_says_so_within_seconds(tmp_path):
    environment = os.environ | {"HF_ENDPOINT": f"http://127.0.0.1:{closed_port()}", "HF_HOME": str(tmp_path / "hf")}
    command = [sys.executable, "-m", "core", "import", "gpt2-xl", str(tmp_path / "new")]
    done = subprocess.run(  # Python and torch take the most of that time, to start
        command, cwd=REPO, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=120
    )
    assert done.returncode == 1
    assert re.fullmatch(
        r"error: cannot reach http://127.0.0.1:\d+ to download openai-community/gpt2-xl, and there is no such "
        r"directory here: connect to the internet, or download the model's directory elsewhere .*\n",
        done.stderr,
    )
    assert os.listdir(tmp_path) == []


def test_offline_the_answer_comes_at_once(tmp_path, refusal, monkeypatch):
    use_hub(monkeypatch, f"http://127.0.0.1:{closed_port()}", tmp_path / "cache")
    began = time.monotonic()
    assert "cannot reach http://127.0.0.1" in refusal("gpt2")
    assert time.monotonic() - began < 5
