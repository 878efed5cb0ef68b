"""The reward model and DPO: the losses of the papers, learning, exact resume, and refusals in words."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from core import checkpoint
from core.chat_template import encode_chat
from core.checkpoint import Card
from core.classifier import SequenceClassifier
from core.datasets.conversations import collate
from core.datasets.messages import message
from core.datasets.preference_files import Preference
from core.datasets.preference_pairs import encode_pairs, likelihood_batch, score_batch
from core.evaluation.preferences import reward_scores, reward_scores_of_ids, vote_metrics
from core.rlhf.logprobs import answer_logprobs, ranked_right
from core.stages import dpo, reward_model
from core.stages.dpo import DPOConfig, dpo_loss
from core.stages.registry import answers, tell_verdict, train, verdict
from core.stages.reward_model import RewardConfig
from core.training.log_lines import read_lines
from core.training.run_directory import Run

GOOD, BAD = ("Music, play on.", "Play on!", "Love, the music."), ("He said.", "To be.", "Was ist das?")
FIT = dict(max_steps=30, batch_size=8, warmup_steps=0, learning_rate=3e-3, eval_interval=10, save_interval=10)
FIT |= dict(device="cpu", keep_steps=0, lora_rank=8, lora_alpha=16.0, save_dtype="float32", dropout=0.0)
CPU = torch.device("cpu")
STAGES = {"reward": RewardConfig, "dpo": DPOConfig}


@pytest.fixture(scope="module")
def place(tmp_path_factory, make_model, tokenizer) -> Path:
    """A directory with a model, `parent`, and votes of one who likes music, of which every ninth is a tie."""
    directory = tmp_path_factory.mktemp("preferences")
    checkpoint.save(directory / "parent", make_model(std=0.1, block_size=64), tokenizer, Card("sft"))
    lines = []
    for n in range(36):
        pair = {"prompt": f"Who, {n}?", "chosen": GOOD[n % 3], "rejected": BAD[n // 3 % 3]}
        lines.append(pair | ({"tie": True} if n % 9 == 8 else {}))
    (directory / "votes.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return directory


def new_run(directory: Path, place: Path, stage: str, **changes) -> Run:
    paths = dict(parent=str(place / "parent"), data=str(place / "votes.jsonl"))
    config = STAGES[stage].from_dict(STAGES[stage]().to_dict() | FIT | paths | changes)
    return Run.create(directory, stage, config.to_dict())


def metrics(run: Run) -> list[dict]:
    return [{k: v for k, v in line.items() if "/" in k and "memory" not in k} for line in read_lines(run.metrics)[0]]


# --- DPO's loss -----------------------------------------------------------------------------------------------


def numpy_dpo(moved: np.ndarray, outcomes: np.ndarray, beta: float, smoothing: float) -> np.ndarray:
    """Rafailov et al. 2023, equation 7, with the label swapped with the probability that it is wrong."""
    h = beta * (moved[:, 0] - moved[:, 1])
    believed = np.where(outcomes == 1, 1 - smoothing, 0.5)
    return believed * np.log1p(np.exp(-h)) + (1 - believed) * np.log1p(np.exp(h))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_and_its_gradient_are_those_of_the_paper(smoothing):
    moved, outcomes = np.random.default_rng(0).normal(0, 8, (6, 2)), np.array([1, 1, 1, 0.5, 1, 0.5])
    config = DPOConfig(beta=0.3, label_smoothing=smoothing)
    ours = torch.tensor(moved, requires_grad=True)
    loss = dpo_loss(ours, torch.tensor(outcomes), config)
    np.testing.assert_allclose(loss.detach().numpy(), numpy_dpo(moved, outcomes, 0.3, smoothing), rtol=1e-9)
    loss.sum().backward()
    for row, column in np.ndindex(6, 2):
        step = np.zeros((6, 2))
        step[row, column] = 1e-6
        up, down = (numpy_dpo(moved + s, outcomes, 0.3, smoothing).sum() for s in (step, -step))
        assert ours.grad[row, column].item() == pytest.approx((up - down) / 2e-6, abs=1e-6)


def test_with_an_offset_the_reward_margin_is_to_be_larger():
    """Amini et al. 2024, equation 8, in plain arithmetic; without `margin`, or a vote that says how much, it is DPO."""
    moved, said = np.random.default_rng(0).normal(0, 8, (4, 2)), np.array([1.0, 1 / 3, 0.0, 1.0])
    outcomes = torch.ones(4, dtype=torch.float64)
    config = DPOConfig.from_dict({"beta": 0.3, "margin": 1.5})
    loss = dpo_loss(torch.tensor(moved), outcomes, config, torch.tensor(said))
    expected = np.log1p(np.exp(-(0.3 * (moved[:, 0] - moved[:, 1]) - 1.5 * said)))
    np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-9)
    plain = dpo_loss(torch.tensor(moved), outcomes, DPOConfig(beta=0.3), torch.tensor(said))
    np.testing.assert_allclose(plain.numpy(), numpy_dpo(moved, np.ones(4), 0.3, 0.0), rtol=1e-9)
    with pytest.raises(ValueError, match=r"loss_type ipo has a margin of its own"):
        DPOConfig.from_dict({"loss_type": "ipo", "margin": 1.5})


def test_the_reward_models_margin_is_that_of_llama_2(make_model, tokenizer):
    """Touvron et al. 2023, equation 2: -log sigmoid(r_w - r_l - m)."""
    model = SequenceClassifier.from_language_model(make_model(std=0.1, block_size=64), ["reward"], seed=0)
    pairs = [Preference(f"Who, {n}?", GOOD[n], BAD[n], margin=margin) for n, margin in enumerate((1.0, 1 / 3, 0.0))]
    encoded, _ = encode_pairs(tokenizer, pairs, 64)
    batch = score_batch(encoded)
    with torch.no_grad():
        scores = reward_model.pair_scores(model, batch).double().numpy()
        loss = reward_model.pair_loss(model, batch, center=0.0, margin=2.0).loss.item()
    ahead = scores[:, 0] - scores[:, 1] - 2.0 * np.array([1.0, 1 / 3, 0.0])
    assert loss == pytest.approx(np.log1p(np.exp(-ahead)).sum(), rel=1e-5)
    held_out = reward_model.held_out_metrics(torch.tensor(scores).float(), encoded, pairs, margin=2.0)
    assert held_out["loss/val"] == pytest.approx(loss / 3, rel=1e-5)


def test_with_sigmoid_norm_log_ratios_are_means_over_an_answers_tokens(make_model, tokenizer):
    """Length-normalised DPO, Lambert et al. 2024, in plain arithmetic: the loss, rewards, and what is held out."""
    model, parent = make_model(std=0.1, block_size=64), make_model(std=0.07, block_size=64)
    texts = [Preference("Who is it?", "Music!", "He said, he said."), Preference("To be?", "Tomorrow.", "Ay.")]
    pairs = dpo.with_reference(parent, encode_pairs(tokenizer, texts, 64)[0], "float32")
    config, batch = DPOConfig(beta=5.0, loss_type="sigmoid_norm"), likelihood_batch(pairs)
    lengths = np.array([[len(tokenizer.encode(a)) + 1 for a in (text.chosen, text.rejected)] for text in texts])
    means = dpo.log_ratios(model, pairs, "float32").double().numpy() / lengths
    expected = numpy_dpo(means, np.ones(2), 5.0, 0.0)
    found = dpo.pair_loss(model, batch, config)
    assert found.loss.item() == pytest.approx(expected.sum(), rel=1e-4)
    assert found.metrics["rewards/chosen"].item() == pytest.approx(5 * means[:, 0].sum(), rel=1e-4)
    held_out = dpo.held_out_metrics(model, pairs, texts, config)
    assert held_out["loss/val"] == pytest.approx(expected.mean(), rel=1e-4)
    assert held_out["margin/val"] == pytest.approx(5 * (means[:, 0] - means[:, 1]).mean(), rel=1e-4)


def test_ipo_wants_a_margin_of_half_of_one_over_beta():
    moved, outcomes = torch.tensor([[3.0, 1.0], [5.0, 0.0], [1.0, 1.0]]), torch.tensor([1.0, 1.0, 0.5])
    loss = dpo_loss(moved, outcomes, DPOConfig(beta=0.1, loss_type="ipo"))
    assert loss.tolist() == pytest.approx([(2 - 5) ** 2, 0.0, 0.0])


def test_log_probabilities_are_summed_over_the_answer_alone(make_model, tokenizer):
    model, pair = make_model(std=0.1, block_size=64), Preference("Who is it?", "Music!", "He said, he said.")
    (encoded,), _ = encode_pairs(tokenizer, [pair], 64)
    found = dpo.log_ratios(model, [encoded], "float32")[0]
    for logp, answer in zip(found.tolist(), (pair.chosen, pair.rejected), strict=True):
        ids, mask = encode_chat(tokenizer, [*pair.messages, message("assistant", answer)])
        with torch.no_grad():
            likely = model(torch.tensor([ids[:-1]]))[0][0].log_softmax(-1)
        assert logp == pytest.approx(sum(likely[i - 1, ids[i]].item() for i in range(len(ids)) if mask[i]), abs=1e-3)


def test_a_prompt_that_is_read_once_changes_nothing(make_model, tokenizer):
    """Rows of unlike length, one of them longer than the context, against each answer in a row of its own."""
    model = make_model(std=0.1, block_size=64)
    pairs = [Preference("Who?", "Music" * 3, "He"), Preference("Is it he? " * 3, "He said, " * 3, "Music" * 7)]
    encoded, _ = encode_pairs(tokenizer, pairs, 64)
    rows = [example for pair in encoded for example in pair.examples]
    batch, alone = likelihood_batch(encoded), [collate([example]) for example in rows]
    assert batch.inputs.shape[1] > 64
    together = dpo.pair_logprobs(model, batch)
    apart = torch.cat([answer_logprobs(model, row.inputs, row.targets) for row in alone]).view(2, 2)
    torch.testing.assert_close(together, apart, rtol=1e-5, atol=1e-3)
    weights = list(model.parameters())
    for ours, theirs in zip(*(torch.autograd.grad(found.prod(), weights) for found in (together, apart)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3 * theirs.abs().max().item())
    classifier = SequenceClassifier.from_language_model(model, ["reward"], seed=0)
    scores = torch.cat([reward_scores_of_ids(classifier, [example.ids]) for example in rows]).view(2, 2)
    torch.testing.assert_close(reward_model.pair_scores(classifier, score_batch(encoded)), scores, rtol=1e-4, atol=1e-5)


def test_what_was_said_before_is_read_and_only_the_last_answer_counts(tokenizer):
    history = (("user", "Hm?"), ("assistant", "Yes?"))
    (pair,), _ = encode_pairs(tokenizer, [Preference("Who?", "I.", "He.", history=history)], 100)
    text = tokenizer.decode(pair.chosen.ids)
    assert text == "<|user|>Hm?<|assistant|>Yes?<|endoftext|><|user|>Who?<|assistant|>I.<|endoftext|>"
    counted = [id for id, counts in zip(pair.chosen.ids, pair.chosen.mask, strict=True) if counts]
    assert tokenizer.decode(counted) == "I.<|endoftext|>"
    assert pair.shared == len(pair.chosen.ids) - len(counted) - 1


def test_in_a_batch_a_pair_stays_together_when_it_is_split(tokenizer):
    pairs = [Preference(f"Who {n}?", "Music" * (n + 1), "He said.", tie=n == 1) for n in range(4)]
    batch = likelihood_batch(encode_pairs(tokenizer, pairs, 64)[0])
    assert batch.n_targets == len(batch.inputs) == 4
    parts = batch.split(3)
    assert [len(part) for part in parts] == [3, 1] and parts[0].outcomes.tolist() == [1, 0.5, 1]
    torch.testing.assert_close(parts[1].inputs, batch.inputs[3:])


def test_nobody_is_ranked_right_where_nobody_won(make_model, tokenizer):
    """A tie counts half, in DPO as in the reward stage; so does a margin of nothing."""
    model, ties = (
        make_model(std=0.1, block_size=64),
        [Preference(f"Who {n}?", "Music", "He", tie=True) for n in range(4)],
    )
    encoded, _ = encode_pairs(tokenizer, ties, 64)
    assert dpo.pair_loss(model, likelihood_batch(encoded), DPOConfig()).metrics["rewards/accuracies"].item() == 2
    rater = SequenceClassifier.from_language_model(model, ["reward"], seed=0)
    assert reward_model.pair_loss(rater, score_batch(encoded), 0.0).metrics["rewards/accuracies"].item() == 2
    margins, outcomes = torch.tensor([2.0, -2.0, 0.0, 2.0]), torch.tensor([1.0, 1.0, 1.0, 0.5])
    assert ranked_right(margins, outcomes).tolist() == [1, 0, 0.5, 0.5]


def test_held_out_votes_on_one_prompt_count_as_one():
    texts = [Preference("Who?", "a", "b"), Preference("Who?", "a", "c"), Preference("Who?", "c", "b")]
    texts += [Preference("When?", "a", "b"), Preference("Where?", "a", "b", tie=True)]
    found = vote_metrics(torch.tensor([1.0, 3.0, -1.0, -2.0, 9.0]), texts)
    assert found == {
        "accuracy/val": pytest.approx((2 / 3 + 0) / 2),
        "margin/val": pytest.approx((1 - 2) / 2),
        "n/votes": 4,
        "n/prompts": 2,
    }


# --- runs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["full", "lora"])
def test_dpo_learns_what_was_preferred_and_leaves_the_reference_as_it_was(method, tmp_path, place, caplog):
    caplog.set_level("INFO", "core")
    before = checkpoint.weights_digest(place / "parent")
    run = new_run(tmp_path / "run", place, "dpo", method=method, beta=0.5)
    assert train(run).state == "finished", run.status().message
    lines, details = read_lines(run.metrics)[0], read_lines(run.details)[0]
    assert lines[0]["loss/train"] == pytest.approx(math.log(2), abs=1e-3)
    assert lines[0]["rewards/margins"] == pytest.approx(0, abs=1e-3)
    assert lines[-1]["rewards/accuracies"] > 0.7 and lines[-1]["accuracy/val"] > 0.9
    assert lines[-1]["kl/val"] > 0.01
    assert [line["step"] for line in details] == [0, 10, 20, 30]
    assert len(details[0]["texts"]) == len(details[0]["pairs"]) >= 6
    assert all(abs(v) < 1e-3 for pair in details[0]["pairs"] for v in pair.values())
    last = [pair["chosen"] - pair["rejected"] for pair in details[-1]["pairs"]]
    decided = [m for m, text in zip(last, details[0]["texts"], strict=True) if not text["tie"]]
    assert np.mean(decided) * 0.5 == pytest.approx(lines[-1]["margin/val"], abs=1e-4)
    assert all(len(line["answers"]) == lines[-1]["n/prompts"] for line in details)  # a vote a prompt, no tie held out
    said = verdict(run)
    assert "were not kept" not in said.changed and "parent" in said.next and said.actions[0] == "compare"
    assert f"{lines[-1]['n/votes']} held-out votes are too few to tell more" in said.certainty
    assert said.changed in caplog.messages and said.next in caplog.messages  # at the end of the training
    run.details.write_text(run.details.read_text() + '{"step": 30, "answers": [5]}\n{"step": 30, "answers": "none"}\n')
    assert verdict(run) == said  # a damaged line is left out
    (run.directory / "references.json").write_text("[]")
    tell_verdict(run)  # and a damaged file takes nothing from a run that has ended
    assert "what came of it cannot be told: " in caplog.messages[-1]
    made = checkpoint.load(run.directory)
    assert answers(made.card) and made.card.parent == "parent" and made.card.data["ties"] == 4
    assert checkpoint.weights_digest(place / "parent") == before


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_reward_model_ranks_held_out_answers_and_opens_in_hugging_face(method, tmp_path, place, tokenizer):
    run = new_run(tmp_path / "run", place, "reward", method=method, max_steps=60)
    assert train(run).state == "finished", run.status().message
    last = read_lines(run.metrics)[0][-1]
    assert last["accuracy/val"] > 0.9 and last["loss/val"] < 0.6
    bins = read_lines(run.details)[0][-1]["calibration"]
    assert sum(found["count"] for found in bins) == len(read_lines(run.details)[0][-1]["margins"])
    assert checkpoint.is_reward_model(run.directory) and not checkpoint.is_reward_model(place / "parent")
    made = checkpoint.load_classifier(run.directory)
    prompts, answers = ["Who, 1?", "Who?"], ["He said.", "Music! Play on, love the music."]
    ours = reward_scores(made.model, made.tokenizer, prompts, answers)
    theirs = AutoModelForSequenceClassification.from_pretrained(run.directory).eval()
    reader = AutoTokenizer.from_pretrained(run.directory)
    texts = [f"<|user|>{p}<|assistant|>{a}<|endoftext|>" for p, a in zip(prompts, answers, strict=True)]
    with torch.no_grad():
        scores = theirs(**reader(texts, return_tensors="pt", padding=True)).logits[:, 0]
    assert ours == pytest.approx(scores.tolist(), abs=1e-4)


@pytest.mark.parametrize("stage", ["reward", "dpo"])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_resumed_run_equals_an_uninterrupted_one(stage, method, tmp_path, place):
    whole = new_run(tmp_path / "whole", place, stage, method=method, keep_steps=4, dropout=0.1, keep_best=False)
    assert train(whole).state == "finished", whole.status().message
    fork = whole.fork(tmp_path / "fork", 10, whole.read()[1])
    assert train(fork).state == "finished", fork.status().message
    assert metrics(fork) == metrics(whole)
    assert read_lines(fork.details) == read_lines(whole.details)


def test_the_split_into_micro_batches_changes_nothing(tmp_path, place):
    runs = [new_run(tmp_path / str(size), place, "dpo", micro_batch_size=size, max_steps=3) for size in (0, 3)]
    assert all(train(run).state == "finished" for run in runs)
    one, other = (metrics(run) for run in runs)
    assert all(b == pytest.approx(a, abs=1e-4) for a, b in zip(one, other, strict=True))


def test_calibration_by_hand():
    margins = torch.tensor([3.0, 4.0, -3.0, 0.1, -0.1])
    bins = reward_model.calibration(margins)
    assert [found["count"] for found in bins] == [2, 3]  # sigmoid(0.1) = 0.525; sigmoid(3) = 0.953, sigmoid(4) = 0.982
    assert bins[0]["observed"] == 0.5 and bins[1]["observed"] == pytest.approx(2 / 3)
    error = 0.4 * (0.52498 - 0.5) + 0.6 * ((0.95257 * 2 + 0.98201) / 3 - 2 / 3)
    assert reward_model.calibration_error(bins) == pytest.approx(error, abs=1e-4)


# --- refusals -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["reward", "dpo"])
@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([], "holds no"),
        ([("Who?", "Music", "He", True)] * 3, "tie"),
        ([("Who?", "Music", "He", False)], "prompt"),
        ([("Who?" * 40, "Music", "He", False), ("When?" * 40, "Music", "He", False)], "longer than the context of 64"),
    ],
)
def test_votes_that_cannot_be_learned_from_end_the_run_in_words(stage, lines, sentence, tmp_path, place):
    keys = ("prompt", "chosen", "rejected", "tie")
    path = tmp_path / "votes.jsonl"
    path.write_text("\n".join(json.dumps(dict(zip(keys, line, strict=True))) for line in lines), encoding="utf-8")
    run = new_run(tmp_path / "run", place, stage, data=str(path))
    status = train(run)
    assert status.state == "failed" and sentence in status.message, status.message


@pytest.mark.parametrize("stage", ["reward", "dpo"])
def test_no_file_a_missing_file_and_a_changed_parent_are_named(stage, tmp_path, place, make_model, tokenizer):
    assert "data is empty" in train(new_run(tmp_path / "a", place, stage, data="")).message
    assert "nowhere.jsonl" in train(new_run(tmp_path / "b", place, stage, data=str(tmp_path / "nowhere.jsonl"))).message
    parent = tmp_path / "parent"
    checkpoint.save(parent, make_model(std=0.1, block_size=64), tokenizer, Card("sft"))
    run = new_run(tmp_path / "c", place, "dpo", parent=str(parent), keep_steps=1, max_steps=10)
    assert train(run).state == "finished", run.status().message
    checkpoint.save(parent, make_model(std=0.2, block_size=64), tokenizer, Card("sft"))
    fork = run.fork(tmp_path / "d", 10, run.read()[1] | {"max_steps": 12})
    assert "has changed since this run began" in train(fork).message
