"""GRPO and RLOO: what must be exact, exact resume, learning, rewards of every kind, and refusals in words."""

import json
from pathlib import Path

import pytest
import torch

from core import checkpoint
from core.chat_template import question
from core.checkpoint import Card
from core.classifier import SequenceClassifier
from core.datasets.instructions import split
from core.datasets.preference_files import Preference, write_preferences
from core.datasets.prompts import instructed_prompts
from core.datasets.shakespeare import plays
from core.huggingface import REWARD
from core.rlhf import own_reward
from core.rlhf.group_training import STATE_FILE, texts
from core.rlhf.logprobs import token_logprobs
from core.stages import grpo
from core.stages.grpo import GRPOConfig
from core.stages.registry import answers, is_aligned, train
from core.training.log_lines import read_lines
from core.training.run_directory import Run

FIT = dict(max_steps=8, batch_size=8, rollouts=16, group_size=4, max_new_tokens=8, warmup_steps=0, learning_rate=3e-3)
FIT |= dict(eval_interval=4, save_interval=3, keep_steps=0, device="cpu", save_dtype="float32", kl_stop=0.0)
FIT |= dict(lora_rank=8, lora_alpha=16.0, grpo_epochs=2, reward="length")
CPU = torch.device("cpu")
OWN = """
def letters(prompt, answers):
    return [answer.count("e") / 8 for answer in answers]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory, make_model, tokenizer) -> Path:
    """A policy `parent`, a reward model with random opinions, votes, 40 prompts and a reward of one's own."""
    directory = tmp_path_factory.mktemp("grpo")
    parent = make_model(std=0.1, block_size=48)
    checkpoint.save(directory / "parent", parent, tokenizer, Card("sft"))
    rater = SequenceClassifier.from_language_model(parent, [REWARD], seed=1)
    torch.nn.init.normal_(rater.score.weight, std=1.0, generator=torch.Generator().manual_seed(3))
    checkpoint.save(directory / "rater", rater, tokenizer, Card("reward"))
    write_preferences(directory / "votes.jsonl", [Preference(f"Who, {n}?", "I see.", "He said, he.") for n in range(6)])
    lines = [json.dumps({"prompt": f"Who, {n}?"}) for n in range(40)]
    (directory / "prompts.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (directory / "my.py").write_text(OWN, encoding="utf-8")
    return directory


def settings(place: Path, **changes) -> GRPOConfig:
    paths = {"parent": str(place / "parent"), "prompts": str(place / "prompts.jsonl")}
    return GRPOConfig.from_dict(GRPOConfig().to_dict() | FIT | paths | changes)


def new_run(directory: Path, place: Path, **changes) -> Run:
    return Run.create(directory, "grpo", settings(place, **changes).to_dict())


def metrics(run: Run) -> list[dict]:
    return [
        {k: v for k, v in line.items() if k not in ("time", "tokens_per_second", "data_wait", "memory/peak")}
        for line in read_lines(run.metrics)[0]
    ]


def told(run: Run, name: str) -> list[float]:
    return [line[name] for line in metrics(run) if name in line]


# --- what must be exact ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", ["grpo", "rloo"])
def test_without_a_learning_rate_the_policy_stays_bit_for_bit(estimator, tmp_path, place):
    run = new_run(tmp_path / "run", place, learning_rate=0.0, estimator=estimator, kl_coef=0.1, loss_type="grpo")
    assert train(run).state == "finished", run.status().message
    for line in metrics(run):
        assert line["kl"] == line["clip_ratio/region_mean"] == 0
        assert line.get("objective/kl", 0) == line.get("kl/val", 0) == 0
    made, parent = checkpoint.load(run.directory), checkpoint.load(place / "parent")
    weights = parent.model.state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in made.model.state_dict().items())
    assert answers(made.card) and is_aligned(made.card) and not (run.directory / STATE_FILE).exists()


@pytest.mark.parametrize(
    ("estimator", "method", "least"), [("grpo", "full", 0.5), ("grpo", "lora", 0.25), ("rloo", "full", 0.5)]
)
def test_it_raises_what_is_rewarded_and_leaves_the_parent_as_it_was(estimator, method, least, tmp_path, place):
    before = checkpoint.weights_digest(place / "parent")
    rare = dict(
        learning_rate=1e-2, eval_interval=40, save_interval=40, rollouts=32, batch_size=32, grpo_epochs=1, group_size=8
    )
    run = new_run(
        tmp_path / "run", place, estimator=estimator, method=method, max_steps=40, missing_eos_penalty=0.0, **rare
    )
    assert train(run).state == "finished", run.status().message
    gained = told(run, "rewards/length/mean")
    assert gained == told(run, "reward") and len(gained) == 40
    assert sum(gained[-5:]) / 5 > sum(gained[:5]) / 5 + least
    assert len(told(run, "reward/val")) == 1 and told(run, "kl/val")[-1] > 0.05
    assert checkpoint.weights_digest(place / "parent") == before


def engine(config: GRPOConfig):
    job = grpo.prepare(config, None, CPU, lambda said: None)
    return job.batches.__self__, job


def test_rollouts_hold_what_policy_parent_and_rewards_say(place):
    training, job = engine(settings(place, temperature=0.7, reward="length, -0.5 thou", kl_coef=0.3, estimator="rloo"))
    with torch.no_grad():
        job.model.transformer.h[0].mlp.c_proj.weight.mul_(1.5)  # so that it differs from its parent
    found = training.roll_out(0)
    asked = [question(job.tokenizer, found.prompt_ids(row)) for row in range(16)]
    assert all(asked[row] == asked[row - row % 4] for row in range(16)) and len(set(asked)) == 4
    ours, theirs = (
        token_logprobs(model, found.inputs, found.targets, 0.7) for model in (job.model, training.reference)
    )
    torch.testing.assert_close(found.logprobs, ours)
    torch.testing.assert_close(found.reference, theirs)
    said = [job.tokenizer.decode(found.targets[row][found.mask[row]].tolist()) for row in range(16)]
    words = [len([w for w in one.replace("<|endoftext|>", " ").split() if w.strip(".,!?:;|<>")]) for one in said]
    assert found.parts.shape == (16, 2) and (found.parts[:, 0] > 0).any() and max(words) > 0
    expected = found.parts @ torch.tensor([1.0, -0.5]) - 0.5 * ~found.ended
    torch.testing.assert_close(found.rewards, expected)
    paid = (expected - 0.3 * (ours - theirs).sum(1)).view(4, 4)
    torch.testing.assert_close(found.advantages.view(4, 4), paid - (paid.sum(1, keepdim=True) - paid) / 3)
    logged = found.metrics(["length", "thou"], 4)
    assert logged["reward"] == pytest.approx(expected.mean().item())
    assert logged["completions/clipped_ratio"] == pytest.approx(1 - found.ended.float().mean().item())
    assert logged["objective/kl"] == pytest.approx((ours - theirs).sum(1).mean().item(), rel=1e-4)


def test_every_pass_over_the_answers_takes_each_once(place):
    training, _ = engine(settings(place))
    assert training.steps_an_iteration == 4
    taken = [training.batches(step) for step in range(4)]
    everything = sorted(training.rollouts.logprobs.sum(1).tolist())
    for first in (0, 2):
        assert sorted(torch.cat([b.logprobs.sum(1) for b in taken[first : first + 2]]).tolist()) == everything


@pytest.mark.parametrize(("step", "method"), [(3, "full"), (4, "lora")])  # within an iteration, and at its end
def test_a_resumed_run_equals_an_uninterrupted_one(step, method, tmp_path, place):
    whole = new_run(tmp_path / "whole", place, method=method, save_interval=1, keep_steps=20)
    assert train(whole).state == "finished", whole.status().message
    fork = whole.fork(tmp_path / "fork", step, whole.read()[1])
    assert train(fork).state == "finished", fork.status().message
    assert metrics(fork) == metrics(whole) and len(metrics(fork)) == 8
    assert read_lines(fork.details)[0] == read_lines(whole.details)[0]


def test_details_show_groups_token_by_token(tmp_path, place):
    run = new_run(tmp_path / "run", place, reward="length, question", max_steps=4)
    assert train(run).state == "finished", run.status().message
    first, last = read_lines(run.details)[0]
    assert first["groups"] == [] and len(last["groups"]) == 2
    assert [a["prompt"] for a in first["answers"]] == [a["prompt"] for a in last["answers"]]
    assert all(isinstance(a["score"], float) for a in last["answers"])
    for group in last["groups"]:
        assert group["prompt"].startswith("Who, ") and group["rewards"] == ["length", "question"]
        assert len(group["answers"]) == 4
        for answer in group["answers"]:
            assert len(answer["tokens"]) == len(answer["kl"]) > 0 and len(answer["parts"]) == 2
    spreads = [max(a["reward"] for a in g["answers"]) - min(a["reward"] for a in g["answers"]) for g in last["groups"]]
    assert spreads[0] > 0, "a group that differs is shown, if there is one"


# --- rewards of every kind ------------------------------------------------------------------------------------


def test_reward_model_taste_and_a_function_of_ones_own_are_counted_beside_each_other(tmp_path, place):
    own = f"{place / 'my.py'}:letters"
    own_reward.allow(own)
    named = dict(
        reward=f"reward_model, taste, 2 {own}", reward_model=str(place / "rater"), votes=str(place / "votes.jsonl")
    )
    training, job = engine(settings(place, **named))
    assert training.rewards.names == ["reward_model", "taste", "letters"]
    assert job.card.data["reward_model"] == "rater" and list(job.card.data[grpo.OWN]) == [own]
    several = [ids for ids in training.prompts[:4] for _ in range(4)]
    written = grpo.write(training.reference, job.tokenizer, several, training.config, 1337)
    parts, _ = training.reward_responses(written)
    torch.testing.assert_close(parts[:, :2].mean(0), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(parts[:, :2].std(0, correction=0), torch.ones(2), atol=1e-3, rtol=0)
    assert parts[:, 2].tolist() == pytest.approx([a.count("e") / 8 for a in texts(job.tokenizer, written)[1]])


def test_instructions_of_the_plays_are_known_for_every_prompt():
    asked = instructed_prompts(split(plays())[1], 60, 0)
    assert len(asked) == 60 and {len(instructions) for instructions in asked.values()} == {1, 2}
    assert all(str(instruction) in prompt for prompt, some in asked.items() for instruction in some)
    assert any(instruction.kind == "question" for some in asked.values() for instruction in some)


# --- refusals -------------------------------------------------------------------------------------------------


def failed(directory: Path, place: Path, **changes) -> str:
    run = new_run(directory, place, **changes)
    status = train(run)
    assert status.state == "failed"
    return status.message


def test_a_reward_that_fails_is_named_and_the_run_stops_with_its_last_good_step(tmp_path, place):
    file = tmp_path / "late.py"
    file.write_text(
        "calls = 0\ndef fn(prompt, answers):\n    global calls\n    calls += 1\n"
        "    return [1.0 / (calls < 12) for answer in answers]\n"
    )
    own_reward.allow(f"{file}:fn")
    said = failed(tmp_path / "run", place, reward=f"{file}:fn", save_interval=2, eval_interval=8)
    assert "late.py:fn raised ZeroDivisionError: float division by zero" in said
    assert "the last good checkpoint is step-000004" in said


def test_a_file_of_ones_own_that_has_changed_is_not_gone_on_with(tmp_path, place):
    file = tmp_path / "mine.py"
    file.write_text(OWN)
    own_reward.allow(f"{file}:letters")
    whole = new_run(tmp_path / "whole", place, reward=f"{file}:letters", save_interval=2, keep_steps=20, max_steps=4)
    assert train(whole).state == "finished", whole.status().message
    fork = whole.fork(tmp_path / "fork", 2, whole.read()[1])
    file.write_text(OWN + "\n# changed\n")
    assert train(fork).state == "failed"
    assert "mine.py:letters has changed since this run began" in fork.status().message


def test_what_cannot_work_is_said_before_anything_is_learned(tmp_path, place):
    one = tmp_path / "one.txt"
    one.write_text("Who?\n", encoding="utf-8")
    assert "holds one prompt" in failed(tmp_path / "1", place, prompts=str(one))
    assert "executed only if you name it on the command line" in failed(tmp_path / "2", place, reward="no.py:fn")
    assert "leaves less than max_new_tokens" in failed(tmp_path / "3", place, max_new_tokens=46)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"group_size": 1}, "group_size must be between 2 and 1,024, got 1"),
        ({"rollouts": 20}, "multiple of batch_size"),
        ({"group_size": 5}, "multiple of group_size"),
        ({"dropout": 0.1}, "dropout must be 0"),
        ({"keep_best": True}, "keep_best must be off"),
        ({"reward": "taste"}, "the reward taste needs votes, which is empty"),
        ({"reward": "reward_model"}, "the reward reward_model needs reward_model, which is empty"),
        ({"votes": "votes.jsonl"}, "votes is chosen, but reward does not name taste"),
        ({"reward": "instructions"}, "give prompts = plays"),
        ({"reward": "beauty"}, "'beauty' is no reward"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes, sentence, place):
    with pytest.raises(ValueError, match=sentence):
        settings(place, **changes)
