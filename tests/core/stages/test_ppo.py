"""PPO: what must be exact, exact resume, learning, and refusals in words."""

import json
import math
from pathlib import Path

import pytest
import torch

from core import checkpoint
from core.chat_template import answer_end, turn_ends
from core.checkpoint import Card
from core.classifier import SequenceClassifier
from core.datasets.conversations import Example
from core.datasets.preference_files import prompt_messages
from core.datasets.prompts import fitting_prompts, learned_and_measured_prompts
from core.evaluation.preferences import answer_kl, response_kl
from core.generate import Sampling, batch
from core.huggingface import REWARD
from core.rlhf.rewards import read_reward_model
from core.rlhf.rollouts import repetition
from core.stages import ppo
from core.stages.ppo import PPOConfig
from core.stages.registry import answers, train
from core.tokenizer import Tokenizer
from core.training import distributed
from core.training.log_lines import read_lines
from core.training.run_directory import Run

FIT = dict(max_steps=12, batch_size=8, rollouts=16, max_new_tokens=8, warmup_steps=0, learning_rate=3e-3)
FIT |= dict(eval_interval=4, save_interval=3, keep_steps=0, device="cpu", save_dtype="float32", kl_stop=0.0)
FIT |= dict(lora_rank=8, lora_alpha=16.0)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def place(tmp_path_factory, make_model, tokenizer) -> Path:
    """A policy `parent`, a reward model `reward` with random opinions, and 40 prompts."""
    directory = tmp_path_factory.mktemp("ppo")
    parent = make_model(std=0.1, block_size=48)
    checkpoint.save(directory / "parent", parent, tokenizer, Card("sft"))
    checkpoint.save(directory / "reward", opinions(parent), tokenizer, Card("reward"))
    lines = [json.dumps({"prompt": f"Who, {n}?"}) for n in range(40)]
    (directory / "prompts.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return directory


def opinions(parent) -> SequenceClassifier:
    rater = SequenceClassifier.from_language_model(parent, [REWARD], seed=1)
    torch.nn.init.normal_(rater.score.weight, std=1.0, generator=torch.Generator().manual_seed(3))
    return rater


def settings(place: Path, **changes) -> PPOConfig:
    paths = {"parent": place / "parent", "reward_model": place / "reward", "prompts": place / "prompts.jsonl"}
    return PPOConfig.from_dict(PPOConfig().to_dict() | FIT | {k: str(v) for k, v in paths.items()} | changes)


def new_run(directory: Path, place: Path, **changes) -> Run:
    return Run.create(directory, "ppo", settings(place, **changes).to_dict())


def metrics(run: Run) -> list[dict]:
    return [{k: v for k, v in line.items() if "/" in k and "memory" not in k} for line in read_lines(run.metrics)[0]]


# --- what must be exact ---------------------------------------------------------------------------------------


def test_without_a_learning_rate_the_policy_is_the_reference_exactly(tmp_path, place):
    run = new_run(tmp_path / "run", place, learning_rate=0.0)
    assert train(run).state == "finished", run.status().message
    for line in metrics(run):
        assert line["val/ratio"] == 1 and line["policy/clipfrac"] == line["policy/approxkl"] == 0
        assert line.get("objective/kl", 0) == line.get("kl/val", 0) == 0
    made, parent = checkpoint.load(run.directory), checkpoint.load(place / "parent")
    weights = parent.model.state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in made.model.state_dict().items())


@pytest.mark.parametrize("method", ["full", "lora"])
def test_it_raises_the_scores_and_leaves_reference_and_reward_model_as_they_were(method, tmp_path, place):
    before = [checkpoint.weights_digest(place / name) for name in ("parent", "reward")]
    rare = dict(eval_interval=120, save_interval=120)
    config = settings(
        place, method=method, max_steps=120, rollouts=32, batch_size=32, kl_coef=0.0, kl_target=0.0, **rare
    )
    run = Run.create(tmp_path / "run", "ppo", config.to_dict())
    assert train(run).state == "finished", run.status().message
    scores = [line["objective/scores"] for line in metrics(run) if "objective/scores" in line]
    assert sum(scores[-5:]) / 5 > sum(scores[:5]) / 5 + 0.35
    assert [checkpoint.weights_digest(place / name) for name in ("parent", "reward")] == before
    made = checkpoint.load(run.directory)
    assert answers(made.card) and made.card.data["reward_model"] == "reward"
    assert not (run.directory / ppo.STATE_FILE).exists()


@pytest.mark.parametrize("temperature", [0.3, 0.5, 1.0])
def test_rollouts_hold_what_policy_reference_and_reward_model_say(temperature, place):
    """As TRL defines it: the logits of both are divided by the temperature at which answers are drawn."""
    engine, policy, reference, rater = parts(settings(place, temperature=temperature))
    with torch.no_grad():
        policy.gpt.transformer.wte.weight.add_(0.01)  # so that it differs from the reference
        policy.gpt.transformer.h[0].mlp.c_proj.weight.mul_(1.5)
        policy.value_head.bias.fill_(0.5)
    rollouts = engine.roll_out(0)
    kl, entropy, stops = [], [], turn_ends(engine.tokenizer)
    with torch.no_grad():
        for row in range(len(rollouts)):
            mask = rollouts.mask[row]
            length = int(mask.nonzero().max()) + 1
            ids, targets = rollouts.inputs[row, :length], rollouts.targets[row, :length]
            ours, theirs = ((m(ids[None])[0][0] / temperature).log_softmax(-1) for m in (policy.gpt, reference))
            drawn = [(ours[n, targets[n]].item(), theirs[n, targets[n]].item()) for n in mask.nonzero()[:, 0].tolist()]
            assert rollouts.logprobs[row, mask].tolist() == pytest.approx([ours for ours, _ in drawn], abs=1e-3)
            assert rollouts.kl[row, mask].tolist() == pytest.approx([a - b for a, b in drawn], abs=1e-3)
            assert rollouts.values[row, mask].tolist() == pytest.approx([0.5] * len(drawn), abs=1e-5)
            kl.append(sum(a - b for a, b in drawn))
            entropy.append(-sum(a for a, _ in drawn))
            ended = targets[-1].item() in stops
            said = [*ids.tolist(), engine.tokenizer.eot if ended else targets[-1].item()]
            expected = normalised(engine, rater, said) - (0 if ended else 1)
            assert rollouts.scores[row].item() == pytest.approx(expected, abs=1e-3)
            assert bool(rollouts.ended[row]) == ended
    logged = rollouts.objective(0.2)
    assert logged["objective/kl"] == pytest.approx(sum(kl) / len(kl), abs=1e-3) and abs(logged["objective/kl"]) > 0.01
    assert logged["objective/entropy"] == pytest.approx(sum(entropy) / len(entropy), rel=1e-4)
    found = engine.loss(policy, rollouts).metrics  # what has not moved has a ratio of 1, at any temperature
    assert found["val/ratio"].item() == pytest.approx(int(rollouts.mask.sum()), rel=1e-5)


def normalised(engine, rater, ids: list[int]) -> float:
    raw = rater(torch.tensor([ids]), torch.tensor([len(ids) - 1])).item()
    return (raw - engine.reward.mean) / engine.reward.std


def test_held_out_answers_are_rated_as_the_rollouts_are(tmp_path, place):
    """At the temperature and length of the rollouts, and what did not end in time pays for it."""
    config = settings(place, learning_rate=0.0, max_steps=4, temperature=0.7)
    run = Run.create(tmp_path / "run", "ppo", config.to_dict())
    assert train(run).state == "finished", run.status().message
    engine, _, reference, rater = parts(config)
    held_out = fitting_prompts(
        engine.tokenizer, learned_and_measured_prompts(config.prompts, config.fit.seed)[1], config.max_new_tokens, 48
    )
    stops = turn_ends(engine.tokenizer)
    sampling = Sampling(max_new_tokens=config.max_new_tokens, temperature=0.7, top_p=1.0)
    written = batch(reference, held_out, sampling, stops)
    cut_off = [len(ids) == config.max_new_tokens for ids in written]
    assert any(cut_off)
    with torch.no_grad():
        scores = [
            normalised(engine, rater, [*asked, *ids, *[engine.tokenizer.eot] * (not cut)]) - cut
            for asked, ids, cut in zip(held_out, written, cut_off, strict=True)
        ]
    last = read_lines(run.metrics)[0][-1]
    assert last["score/val"] == pytest.approx(sum(scores) / len(scores), abs=1e-3)
    assert last["n/prompts"] == len(held_out) == 4


def test_answers_end_where_the_chat_ends_them_and_the_drawn_mark_is_learned_from(place):
    engine, policy, *_ = parts(settings(place, max_new_tokens=32))
    stops, end = turn_ends(engine.tokenizer), answer_end(engine.tokenizer)
    found = engine.write(policy.gpt, engine.prompts, seed=0)
    assert len({response.drawn[-1] for response in found if response.ended}) > 1  # other marks than <|endoftext|> too
    for response in found:
        assert response.ended == (response.drawn[-1] in stops)
        assert stops.isdisjoint(response.answer) and len(response.drawn) <= 32
        assert response.example.ids == response.prompt + response.drawn
        assert response.rated(end) == response.prompt + response.answer + ([end] if response.ended else [])


def parts(config: PPOConfig):
    reference = checkpoint.load(config.adapt.parent)
    rater = read_reward_model(config.reward_model, reference.tokenizer, CPU).model
    policy = ppo.Policy(checkpoint.load(config.adapt.parent).model, config.temperature)
    prompts = fitting_prompts(
        reference.tokenizer, learned_and_measured_prompts(config.prompts, config.fit.seed)[0], config.max_new_tokens, 48
    )
    engine = ppo.PPO(config, policy, reference.model, rater, reference.tokenizer, prompts)
    return engine, policy, reference.model, rater


def test_every_pass_over_the_answers_takes_each_once(place):
    engine, *_ = parts(settings(place, ppo_epochs=2))
    engine.rollouts = engine.roll_out(0)
    marked = engine.rollouts.map(lambda t: t)
    assert engine.config.steps_an_iteration == 4
    for first in (0, 2):
        taken = torch.cat([engine.minibatch(step).scores for step in (first, first + 1)])
        assert sorted(taken.tolist()) == sorted(marked.scores.tolist())


@pytest.mark.parametrize("step", [3, 6, 8])  # in the midst of an iteration of four steps, and at its end
@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_resumed_run_equals_an_uninterrupted_one(step, method, tmp_path, place):
    every = dict(save_interval=1, keep_steps=20)
    whole = new_run(tmp_path / "whole", place, method=method, **every)
    assert train(whole).state == "finished", whole.status().message
    fork = whole.fork(tmp_path / "fork", step, whole.read()[1])
    assert train(fork).state == "finished", fork.status().message
    assert metrics(fork) == metrics(whole) and len(metrics(fork)) == 12
    assert read_lines(fork.details)[0] == read_lines(whole.details)[0]


def test_it_ends_by_itself_when_the_policy_has_moved_too_far(tmp_path, place):
    run = new_run(tmp_path / "run", place, max_steps=400, learning_rate=1e-2, kl_coef=0.0, kl_target=0.0, kl_stop=0.3)
    status = train(run)
    assert status.state == "finished" and "by its own rule" in status.message and status.step < 400
    assert status.step % 4 == 0
    seen = [line["objective/kl"] for line in metrics(run) if "objective/kl" in line]
    assert max(seen) <= 0.3  # the iteration that would have begun beyond it was not learned from
    assert checkpoint.is_checkpoint(run.directory)


def test_details_show_answers_token_by_token(tmp_path, place, tokenizer):
    run = new_run(tmp_path / "run", place)
    train(run)
    first, *later = read_lines(run.details)[0]
    assert first["rollouts"] == [] and [line["step"] for line in (first, *later)] == [0, 4, 8, 12]
    asked = [[answer["prompt"] for answer in line["answers"]] for line in (first, *later)]
    assert asked[0] and all(prompts == asked[0] for prompts in asked)
    assert all(isinstance(answer["score"], float) for line in (first, *later) for answer in line["answers"])
    for shown in later[-1]["rollouts"]:
        assert len(shown["tokens"]) == len(shown["kl"]) == len(shown["advantages"]) > 0
        assert shown["prompt"].startswith("Who, ")
        assert shown["ended"] == bytes.fromhex(shown["tokens"][-1]).startswith(b"<|")


def test_response_kl_is_zero_to_itself_and_grows_with_distance(place):
    reference = checkpoint.load(place / "parent")
    near, far = (checkpoint.load(place / "parent").model for _ in range(2))
    with torch.no_grad():
        near.transformer.h[0].mlp.c_proj.weight.mul_(1.1)
        far.transformer.h[0].mlp.c_proj.weight.mul_(1.5)
    prompts = [f"Who, {n}?" for n in range(8)]
    found = [
        response_kl(m, reference.model, reference.tokenizer, list(map(prompt_messages, prompts)), 0, 8)
        for m in (reference.model, near, far)
    ]
    assert found[0] == 0 and 0 < found[1] < found[2]


def test_response_kl_is_of_both_distributions_at_the_temperature(place):
    """A logit divided by the temperature is one of a model whose last norm is divided by it."""
    both = [checkpoint.load(place / "parent") for _ in range(2)]
    with torch.no_grad():
        both[1].model.transformer.h[0].mlp.c_proj.weight.mul_(1.5)
    asked = [prompt_messages(f"Who, {n}?") for n in range(4)]
    models, tokenizer = [loaded.model for loaded in both], both[0].tokenizer
    hot, cold = (response_kl(*models, tokenizer, asked, 0, 8, temperature) for temperature in (1.0, 0.5))
    with torch.no_grad():
        for model in models:
            for parameter in model.transformer.ln_f.parameters():
                parameter.div_(0.5)
    assert response_kl(*models, tokenizer, asked, 0, 8) == pytest.approx(cold, rel=1e-4)
    assert cold > 1.2 * hot


def test_the_kl_of_answers_of_any_length_is_what_each_has_alone(place):
    reference, policy = (checkpoint.load(place / "parent").model for _ in range(2))
    with torch.no_grad():
        policy.transformer.h[0].mlp.c_proj.weight.mul_(1.5)
    lengths = [(7 * n) % 40 + 2 for n in range(20)]  # of the prompts, of which a few are read at once
    written = [Example(list(range(n + 3)), [False] * n + [True] * 3) for n in lengths]
    alone = [answer_kl(policy, reference, [text]).item() for text in written]
    assert answer_kl(policy, reference, written).tolist() == pytest.approx(alone, rel=1e-4)
    assert len({round(kl, 5) for kl in alone}) > 10


def test_repetition_counts_what_was_said_before():
    assert repetition([[1, 2, 3, 4], [5, 6, 7]]) == 0
    assert repetition([[1, 2, 3], [1, 2, 3], [1, 2, 3], [4, 5, 6]]) == 0.5
    assert repetition([[1, 2]]) == 0


# --- refusals -------------------------------------------------------------------------------------------------


def test_what_cannot_work_is_said_before_anything_is_learned(tmp_path, place, make_model):
    def said(**changes) -> str:
        run = new_run(tmp_path / f"run{len(list(tmp_path.iterdir()))}", place, **changes)
        status = train(run)
        assert status.state == "failed"
        return status.message

    other = Tokenizer.train("Quite another text, with other words in it. " * 4, 270)
    small = make_model(std=0.1, block_size=48, vocab_size=270)
    checkpoint.save(tmp_path / "other", opinions(small), other, Card("reward"))
    assert "reads another vocabulary" in said(reward_model=str(tmp_path / "other"))
    assert "reward_model is empty" in said(reward_model="")
    assert "is no reward model" in said(reward_model=str(place / "parent"))
    assert "leaves less than max_new_tokens" in said(max_new_tokens=46)
    one = tmp_path / "one.txt"
    one.write_text("Who?\n", encoding="utf-8")
    assert "holds one prompt" in said(prompts=str(one))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"rollouts": 20}, "multiple of batch_size"),
        ({"dropout": 0.1}, "dropout must be 0"),
        ({"keep_best": True}, "keep_best must be off"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes, sentence, place):
    with pytest.raises(ValueError, match=sentence):
        settings(place, **changes)


def test_what_learns_from_its_own_answers_is_not_trained_by_several_processes(place, tmp_path, monkeypatch):
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    with pytest.raises(ValueError, match="PPO trains in one process"):
        train(new_run(tmp_path / "ppo", place))


def test_scores_of_the_reference_are_normalised(place):
    engine, *_ = parts(settings(place, rollouts=16))
    written = engine.write(engine.reference, engine.asked(0), engine.config.fit.seed)
    scores = engine.reward([response.rated(engine.end) for response in written])
    assert scores.mean().item() == pytest.approx(0, abs=1e-5)
    assert math.isclose(scores.std(correction=0).item(), 1, abs_tol=1e-4)
