"""Instruction fine-tuning: it learns to answer, from answers only; it resumes exactly, and refuses in words."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM, AutoTokenizer

from core import checkpoint, lora
from core.chat_template import encode_chat, with_template
from core.checkpoint import Card
from core.datasets.conversation_files import read_conversations
from core.datasets.shakespeare import HELD_OUT, Play, Speech
from core.evaluation import instructions
from core.evaluation.instructions import replies
from core.generate import Sampling
from core.stages import sft
from core.stages.registry import train
from core.stages.sft import SFTConfig, prepare
from core.training.log_lines import read_lines
from core.training.run_directory import Run
from tests.core.test_tokenizer import GPT2

ANSWERS = {
    "Who?": "He said.",
    "To be, or not?": "That is the question.",
    "Music?": "Play on!",
    "When?": "Tomorrow,\nday.",
}
FIT = dict(max_steps=60, batch_size=4, warmup_steps=0, learning_rate=1e-2, eval_interval=30, save_interval=10)
FIT |= dict(device="cpu", snapshots=0, keep_steps=0, lora_rank=8, lora_alpha=16.0, weight_decay=0.0, val_share=0.01)
FIT |= dict(save_dtype="float32", sample_prompt="Who?")
TURN = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "He said."}]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def place(tmp_path_factory, make_model, tokenizer) -> Path:
    """A directory with a language model, `parent`, and conversations that can be learned by heart, `toy.jsonl`.

    With the seed of FitConfig the last one is held out; what is there eight times is all on one side.
    """
    directory = tmp_path_factory.mktemp("sft")
    checkpoint.save(directory / "parent", make_model(std=0.3, block_size=96), tokenizer, Card())
    lines = [{"instruction": question, "output": answer} for question, answer in ANSWERS.items()] * 8
    lines.append({"instruction": "Who? ", "output": "He said."})
    (directory / "toy.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return directory


def settings(place: Path, method: str, **changes) -> SFTConfig:
    paths = dict(parent=str(place / "parent"), data=str(place / "toy.jsonl"), method=method)
    return SFTConfig.from_dict(SFTConfig().to_dict() | FIT | paths | changes)


def new_run(directory: Path, place: Path, method: str, **changes) -> Run:
    return Run.create(directory, "sft", settings(place, method, **changes).to_dict())


def silent(message: str) -> None:
    pass


@pytest.mark.parametrize("method", ["full", "lora"])
def test_it_learns_to_answer_and_makes_a_plain_checkpoint(method, tmp_path, place):
    run = new_run(tmp_path / "run", place, method, max_steps=250, eval_interval=125, save_interval=100)
    assert train(run).state == "finished", run.status().message
    made = checkpoint.load(run.directory)
    assert replies(made.model, made.tokenizer, list(ANSWERS), Sampling(temperature=0)) == list(ANSWERS.values())
    assert (made.card.stage, made.card.parent, made.card.step) == ("sft", "parent", 250)
    assert made.card.data["parent_sha256"] == checkpoint.weights_digest(place / "parent")
    assert "loss/val" in made.card.report and read_lines(run.metrics)[0][-1]["loss/train"] < 0.4
    said = replies(made.model, made.tokenizer, ["Who?"])[0]
    assert read_lines(run.samples)[0][-1] == {"step": 250, "prompt": "Who?\n\n", "text": said}
    theirs = AutoModelForCausalLM.from_pretrained(run.directory).eval()
    ids = AutoTokenizer.from_pretrained(run.directory)("<|user|>Who?<|assistant|>", return_tensors="pt").input_ids
    with torch.no_grad():
        torch.testing.assert_close(made.model(ids)[0], theirs(ids).logits, rtol=1e-4, atol=1e-4)


def test_the_loss_is_that_of_the_answers_tokens_and_their_end(place):
    job = prepare(settings(place, "full", batch_size=31), None, CPU, silent)
    encoded = [encode_chat(job.tokenizer, m) for m in read_conversations(place / "toy.jsonl").messages]
    by_inputs = {tuple(ids[:-1]): (ids, mask) for ids, mask in encoded}
    batch = job.batches(0)
    expected, count = 0.0, 0
    with torch.no_grad():
        for row in batch.inputs.tolist():
            ids, mask = next(v for k, v in by_inputs.items() if tuple(row[: len(k)]) == k)
            logits = job.model(torch.tensor([ids]))[0][0]
            counted = [position for position, counts in enumerate(mask) if counts]
            assert ids[counted[0] - 1] == job.tokenizer.special_tokens["<|assistant|>"]
            for position in counted:
                expected += F.cross_entropy(logits[position - 1], torch.tensor(ids[position])).item()
            count += len(counted)
        assert job.loss_fn(job.model, batch).item() == pytest.approx(expected, rel=1e-5)
    assert batch.n_targets == count


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_resumed_run_equals_an_uninterrupted_one(method, tmp_path, place):
    whole = new_run(tmp_path / "whole", place, method, keep_steps=4, max_steps=40, dropout=0.2)
    assert train(whole).state == "finished"
    fork = whole.fork(tmp_path / "fork", 20, whole.read()[1])
    assert train(fork).state == "finished", fork.status().message
    ours, theirs = (checkpoint.load(run.directory) for run in (fork, whole))
    assert ours.card.report == theirs.card.report
    weights = theirs.model.state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in ours.model.state_dict().items())
    losses = [[line["loss/train"] for line in read_lines(run.metrics)[0]] for run in (fork, whole)]
    assert losses[0] == losses[1] and len(losses[0]) == 40


@pytest.mark.parametrize("change", ["other weights", "gone"])
def test_only_a_full_run_goes_on_without_its_parent_and_remembers_it(change, tmp_path, place, make_model, tokenizer):
    parent = tmp_path / "parent"
    shutil.copytree(place / "parent", parent)
    digest = checkpoint.weights_digest(parent)
    begun = {}
    for method in ("full", "lora"):
        begun[method] = new_run(tmp_path / method, place, method, parent=str(parent), keep_steps=1, max_steps=10)
        assert train(begun[method]).state == "finished"
    shutil.rmtree(parent)
    if change == "other weights":
        checkpoint.save(parent, make_model(std=0.2, block_size=96), tokenizer, Card())
    full, small = (
        run.fork(tmp_path / f"{run.name}-2", 10, run.read()[1] | {"max_steps": 12}) for run in begun.values()
    )
    assert train(full).state == "finished", full.status().message
    assert checkpoint.load(full.directory).card.data["parent_sha256"] == digest
    assert train(small).state == "failed"
    sentence = (
        f"there is no checkpoint directory {parent}" if change == "gone" else f"{parent} has changed since this run"
    )
    assert small.status().message.startswith(sentence)


def test_dropout_is_the_fine_tunings_own(place):
    for method in ("full", "lora"):
        model = prepare(settings(place, method, dropout=0.3), None, CPU, silent).model
        assert {module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)} == {0.3}
        assert model.blocks[0].attn.dropout == model.config.dropout == 0.3


def test_the_seed_decides_how_a_change_begins(place):
    first, again, other = (prepare(settings(place, "lora", seed=n), None, CPU, silent).model for n in (1, 1, 2))
    a, b, c = (lora.changes(model)["transformer.h.0.attn.c_attn.A"] for model in (first, again, other))
    assert torch.equal(a, b) and not torch.equal(a, c)


# --- GPT-2's vocabulary, which knows no turns -----------------------------------------------------------------


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory, make_model) -> Path:
    """A model with GPT-2's vocabulary, tiny otherwise, as one that is imported."""
    directory = tmp_path_factory.mktemp("sft") / "gpt2"
    model = make_model(n_layer=1, n_embd=16, block_size=64, vocab_size=GPT2.vocab_size)
    checkpoint.save(directory, model, GPT2, Card("imported"))
    return directory


def test_gpt2_gets_the_chat_tokens_at_the_mean_of_the_others(tmp_path, place, gpt2):
    job = prepare(settings(place, "full", parent=str(gpt2)), None, CPU, silent)
    rows, before = job.model.transformer.wte.weight.detach(), checkpoint.load(gpt2).model.transformer.wte.weight
    assert rows.shape == (50304, 16) and torch.equal(rows[:50257], before[:50257])
    assert job.model.config.vocab_size == 50259 and job.model.lm_head.weight is job.model.transformer.wte.weight
    torch.testing.assert_close(rows[50257:50259], before[:50257].mean(0).expand(2, -1), rtol=1e-4, atol=1e-6)
    assert not rows[50259:].any()


@pytest.mark.parametrize(
    ("template", "ends", "pads"), [("chat", [50256, 50257, 50258], 50257), ("alpaca", [50256], 50256)]
)
def test_what_gpt2_became_is_chatted_with_alike_elsewhere(template, ends, pads, tmp_path, place, gpt2):
    run = new_run(tmp_path / "run", place, "full", parent=str(gpt2), template=template, max_steps=2, eval_interval=2)
    assert train(run).state == "finished", run.status().message
    made, tokenizer = checkpoint.load(run.directory), AutoTokenizer.from_pretrained(run.directory)
    theirs = AutoModelForCausalLM.from_pretrained(run.directory).eval()
    ids, _ = encode_chat(made.tokenizer, TURN)
    assert tokenizer.apply_chat_template(TURN)["input_ids"] == ids
    assert theirs.generation_config.eos_token_id == ends and tokenizer.pad_token_id == pads
    with torch.no_grad():
        idx = torch.tensor([ids])
        torch.testing.assert_close(made.model(idx)[0], theirs(idx).logits, rtol=1e-4, atol=1e-4)


def test_the_books_template_heads_an_input_as_the_book_does(tmp_path, place, gpt2):
    rows = [{"instruction": "Double it.", "input": str(n), "output": str(2 * n)} for n in range(4)]
    (tmp_path / "book.json").write_text(json.dumps(rows), encoding="utf-8")
    config = settings(place, "full", parent=str(gpt2), data=str(tmp_path / "book.json"), template="alpaca")
    tokenizer = with_template(GPT2, "alpaca")
    texts = {tokenizer.decode(example.ids) for example in sft.read(config, tokenizer, 128).train}
    head = "Below is an instruction that describes a task. Write a response that appropriately completes the request."
    said = {f"{head}\n\n### Instruction:\nDouble it.\n\n### Input:\n{n}\n\n### Response:\n{2 * n}" for n in range(4)}
    assert texts < {f"{text}<|endoftext|>" for text in said}


# --- refusals -------------------------------------------------------------------------------------------------


def test_conversations_longer_than_the_context_are_refused(tmp_path, place, make_model, tokenizer):
    checkpoint.save(tmp_path / "short", make_model(block_size=4), tokenizer, Card())
    run = new_run(tmp_path / "run", place, "full", parent=str(tmp_path / "short"))
    assert train(run).message.startswith(
        "all conversations of toy.jsonl to learn from are longer than the context of 4 tokens: "
    )


# --- plays ----------------------------------------------------------------------------------------------------


def play(name: str, *texts: str) -> Play:
    return Play(name, name, "tragedies", tuple(Speech("I", "i", "AB"[n % 2] * 2, text) for n, text in enumerate(texts)))


@pytest.fixture
def two_plays(monkeypatch) -> None:
    plays = [play("toy", *["To be?", "To suffer!", "Play on."] * 4)]
    plays.append(play(HELD_OUT[0], "Music?", "Play on, and on!", "Who said it: the love of music?", "He said."))
    monkeypatch.setattr(sft.corpora, "plays", lambda: plays)
    monkeypatch.setattr(instructions, "plays", lambda: plays)


def test_on_the_plays_obedience_is_measured(tmp_path, place, two_plays):
    run = new_run(tmp_path / "run", place, "full", data="plays", variants=2, max_steps=2, eval_interval=1)
    assert train(run).state == "finished", run.status().message
    names = {"loss/val", "context", "follow/all", "follow/speaker", "follow/lines", "follow/question"}
    assert all(names <= line.keys() for line in read_lines(run.metrics)[0])
    report = checkpoint.load(run.directory).card.report
    assert names <= report.keys() and all(0 <= report[name] <= 1 for name in names - {"loss/val"})


def test_a_context_too_short_for_the_plays_is_refused(tmp_path, place, two_plays, make_model, tokenizer):
    checkpoint.save(tmp_path / "short", make_model(block_size=4), tokenizer, Card())
    run = new_run(tmp_path / "run", place, "full", data="plays", parent=str(tmp_path / "short"))
    assert train(run).message.startswith("all conversations of plays to learn from are longer than the context of 4")


def test_what_is_too_long_and_what_cannot_be_read_is_counted(tmp_path, tokenizer, place):
    lines = [json.dumps({"instruction": "Who?", "output": text}) for text in ("He.", "He said.", "said " * 40, "on!")]
    (tmp_path / "some.jsonl").write_text("\n".join([*lines, "{"]), encoding="utf-8")
    config = settings(place, "full", data=str(tmp_path / "some.jsonl"), skip_bad_lines=True, seed=2)
    data = sft.read(config, tokenizer, block_size=48)
    assert (len(data.train), len(data.val), data.too_long) == (2, 1, 1)
    assert [problem.split(":")[0] for problem in data.problems] == ["line 5"]
