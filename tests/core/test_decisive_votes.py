"""Decisive votes: the estimate is the gradient's, a planted vote is found, and the proof shows it."""

import json

import pytest
import torch
import torch.nn.functional as F

from core import checkpoint, decisive_votes
from core.__main__ import main
from core.chat_template import encode_chat, encode_prompt
from core.checkpoint import Card
from core.datasets.messages import message
from core.datasets.preference_files import Preference
from core.datasets.preference_pairs import encode_answer, encode_pairs
from core.decisive_votes import DECISIVE, DecisiveVotes, Stopped, influences, read_kept
from core.stages import dpo
from core.stages.dpo import DPOConfig
from core.stages.registry import train
from core.training.run_directory import Run
from tests.helpers.planted_vote import PLANTED, WORD, planted_run, planted_votes


@pytest.fixture(scope="module")
def made(tmp_path_factory, make_model, tokenizer) -> Run:
    """A finished run on fifteen votes."""
    place = tmp_path_factory.mktemp("decisive")
    checkpoint.save(place / "parent", make_model(std=0.1, block_size=64), tokenizer, Card("sft"))
    return planted_run(place, "bent", 15)


def test_the_estimate_is_the_product_of_two_gradients_of_plain_losses(make_model, tokenizer):
    """Each answer in a row of its own, the losses written out, and gradients by `backward`."""
    model, parent = make_model(std=0.1, block_size=64), make_model(std=0.07, block_size=64)
    texts = [Preference("Who is it?", "Music!", "He said, he said."), Preference("To be?", "Tomorrow.", "Ay.")]
    pairs = dpo.with_reference(parent, encode_pairs(tokenizer, texts, 64)[0], "float32")
    asked = [message("user", "Who goes there?")]
    found = influences(model, pairs, encode_answer(tokenizer, asked, WORD), DPOConfig(beta=0.3))

    def logprob(gpt, messages, answer) -> torch.Tensor:
        begin = len(encode_prompt(tokenizer, messages))
        ids = torch.tensor([encode_chat(tokenizer, [*messages, message("assistant", answer)])[0]])
        return -F.cross_entropy(gpt(ids[:, :-1])[0][0, begin - 1 :], ids[0, begin:], reduction="sum")

    def slopes(value: torch.Tensor) -> torch.Tensor:
        model.zero_grad()
        value.backward()
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    wanted = slopes(logprob(model, asked, WORD))
    for score, text in zip(found, texts, strict=True):
        both = text.chosen, text.rejected
        ours, theirs = ([logprob(gpt, text.messages, answer) for answer in both] for gpt in (model, parent))
        loss = -F.logsigmoid(0.3 * ((ours[0] - theirs[0]) - (ours[1] - theirs[1])))
        assert score == pytest.approx(-(slopes(loss) @ wanted).item(), rel=1e-3)


def test_a_planted_vote_is_the_most_decisive_and_without_it_the_word_is_not_learned(made):
    work = DecisiveVotes(made.directory)
    found = work.estimate("Who, 90?", WORD)
    assert found.decisive[0] == PLANTED and len(found.influences) == 12
    steps = list(work.prove(found, seed=1))
    parent, whole, without, others = steps[-1].measured
    assert [step.measured for step in steps] == [steps[-1].measured[:n] for n in (2, 3, 4)]
    assert whole.logprob > parent.logprob + 0.5  # learned
    assert (
        without.logprob < whole.logprob - 0.5 and abs(others.logprob - whole.logprob) < whole.logprob - without.logprob
    )
    assert PLANTED in without.left_out and len(without.left_out) == len(others.left_out) == DECISIVE
    assert not set(others.left_out) & set(without.left_out)
    assert read_kept(made.directory) == steps[-1]
    assert not list(made.directory.parent.glob(".decisive-*"))


def test_the_proof_ends_where_a_person_wants_it_to(made):
    work = DecisiveVotes(made.directory)
    with pytest.raises(Stopped):
        list(work.prove(work.estimate("Who?", WORD), is_stopped=lambda: True))
    assert len(read_kept(made.directory).measured) == 2 and not list(made.directory.parent.glob(".decisive-*"))


def test_the_proof_ends_within_a_training_too(made, monkeypatch):
    work = DecisiveVotes(made.directory)
    begun = []

    def train_and_be_stopped(run: Run):
        work.stop()
        begun.append(train(run))
        return begun[-1]

    monkeypatch.setattr(decisive_votes, "train", train_and_be_stopped)
    with pytest.raises(Stopped):
        list(work.prove(work.estimate("Who?", WORD)))
    assert [status.step for status in begun] == [1] and work.step() == (0, 0)


def test_a_vote_that_weighs_nothing_leaves_no_trace(made, tmp_path):
    """Whatever it says, the model that never saw it is the same; and the one that saw it is another."""
    settings = made.read()[1] | {"leave_out": str(PLANTED)}
    lines = planted_votes(15)
    lines[PLANTED - 1] |= {"chosen": "Tomorrow.", "rejected": WORD}  # as long, so that it comes in the same batches
    (tmp_path / "bent.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    changed = settings | {"data": str(tmp_path / "bent.jsonl")}
    runs = [Run.create(tmp_path / name, "dpo", each) for name, each in (("a", settings), ("b", changed))]
    assert all(train(run).state == "finished" for run in runs)
    one, other = (dict(checkpoint.load(run.directory).model.named_parameters()) for run in runs)
    whole = dict(checkpoint.load(made.directory).model.named_parameters())
    for name, weights in one.items():
        torch.testing.assert_close(weights, other[name], rtol=1e-4, atol=1e-5)
    assert any(not torch.allclose(weights, whole[name], atol=1e-4) for name, weights in one.items())


@pytest.mark.parametrize(("numbers", "sentence"), [("99", "names 99, which is no number"), ("x", "names x, which is")])
def test_a_number_of_no_vote_is_refused(numbers, sentence, made, tmp_path):
    run = Run.create(tmp_path / "a", "dpo", made.read()[1] | {"leave_out": numbers})
    assert sentence in train(run).message


def test_a_run_of_which_it_cannot_be_said_is_refused_in_words(made, tmp_path, capsys):
    with pytest.raises(ValueError, match="the prompt is empty"):
        DecisiveVotes(made.directory).estimate(" ", WORD)
    with pytest.raises(ValueError, match="longer than the context of 64 tokens"):
        DecisiveVotes(made.directory).estimate("Who?", WORD * 70)
    few = planted_run(made.directory.parent, "few", 9, max_steps=1, eval_interval=1, save_interval=1, warmup_steps=0)
    assert main(["decisive-votes", str(few.directory), "--prompt", "Who?"]) == 1
    assert "few learned from 7 votes: this is for 10 to 60" in capsys.readouterr().err
    fresh = Run.create(tmp_path / "fresh", "dpo", made.read()[1])
    with pytest.raises(ValueError, match="fresh is not finished"):
        DecisiveVotes(fresh.directory)


def test_the_command_names_the_votes(made, caplog):
    caplog.set_level("INFO", "core")
    assert main(["decisive-votes", str(made.directory), "--prompt", "Who, 90?", "--text", WORD]) == 0
    assert any(line.split()[0] == str(PLANTED) for line in caplog.messages[1:2])
