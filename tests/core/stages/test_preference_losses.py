"""SimPO, ORPO and KTO: the losses of the papers in plain arithmetic, runs on thumbs, and refusals in words."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from core import checkpoint
from core.checkpoint import Card
from core.datasets.preference_files import Preference
from core.datasets.preference_pairs import PairsConfig, encode_pairs, likelihood_batch
from core.datasets.thumb_pairs import encode_thumbs, preview_thumbs, split_thumbs
from core.datasets.thumbs import Thumb
from core.stages import dpo
from core.stages.dpo import DPOConfig
from core.stages.registry import train, verdict
from core.training.log_lines import read_lines
from core.training.run_directory import Run

GOOD, BAD = ("Music, play on.", "Play on!", "Love, the music."), ("He said.", "To be.", "Was ist das?")
OUTCOMES = np.array([1.0, 1.0, 0.5])


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def numpy_simpo(means: np.ndarray, beta: float, gamma: float) -> np.ndarray:
    """Meng et al. 2024, equation 6; a tie wants no margin, and either answer may be the better one."""
    h = beta * (means[:, 0] - means[:, 1]) - gamma * (OUTCOMES == 1)
    return -(OUTCOMES * np.log(sigmoid(h)) + (1 - OUTCOMES) * np.log(sigmoid(-h)))


def numpy_orpo(means: np.ndarray, weight: float) -> np.ndarray:
    """Hong et al. 2024, equations 3 to 7."""
    p = np.exp(means)
    h = np.log(p / (1 - p)) @ np.array([1, -1])
    either = -(OUTCOMES * np.log(sigmoid(h)) + (1 - OUTCOMES) * np.log(sigmoid(-h)))
    return -(OUTCOMES * means[:, 0] + (1 - OUTCOMES) * means[:, 1]) + weight * either


def numpy_kto(moved: np.ndarray, up: np.ndarray, beta: float, point: float) -> np.ndarray:
    """Ethayarajh et al. 2024, equations 7 and 8, lambda 1."""
    return 1 - np.where(up == 1, sigmoid(beta * (moved - point)), sigmoid(beta * (point - moved)))


@pytest.mark.parametrize("loss_type", ["simpo", "orpo"])
def test_the_losses_without_a_reference_are_those_of_the_papers(loss_type, make_model, tokenizer):
    model = make_model(std=0.1, block_size=64)
    texts = [Preference("Who is it?", "Music!", "He said, he said."), Preference("To be?", "Tomorrow.", "Ay.")]
    texts.append(Preference("Hm?", "I.", "He said.", tie=True))
    config = DPOConfig(beta=2.0, loss_type=loss_type, simpo_gamma=0.7)
    pairs, _ = encode_pairs(tokenizer, texts, 64)
    lengths = np.array([pair.lengths for pair in pairs])
    means = dpo.log_ratios(model, pairs, "float32").double().numpy() / lengths

    def expected(values: np.ndarray) -> np.ndarray:
        return numpy_simpo(values, 2.0, 0.7) if loss_type == "simpo" else numpy_orpo(values, 2.0)

    found = dpo.pair_loss(model, likelihood_batch(pairs), config)
    assert found.loss.item() == pytest.approx(expected(means).sum(), rel=1e-4)
    held_out = dpo.held_out_metrics(model, pairs, texts, config)
    assert held_out["loss/val"] == pytest.approx(expected(means).mean(), rel=1e-4)
    ours = torch.tensor(means, requires_grad=True)
    dpo.dpo_loss(ours, torch.tensor(OUTCOMES), config).sum().backward()
    for row, column in np.ndindex(means.shape):
        step = np.zeros_like(means)
        step[row, column] = 1e-6
        slope = (expected(means + step).sum() - expected(means - step).sum()) / 2e-6
        assert ours.grad[row, column].item() == pytest.approx(slope, abs=1e-6)


def test_kto_measures_each_answer_from_what_answers_have_moved_by_in_general(make_model, tokenizer):
    model, parent = make_model(std=0.07, block_size=64), make_model(std=0.1, block_size=64)
    thumbs = [Thumb(f"Who, {n}?", (GOOD if n % 2 else BAD)[n], n % 2 == 1) for n in range(3)]
    pairs = dpo.with_reference(parent, encode_thumbs(tokenizer, thumbs, 64, up_weight=2.0), "float32")
    assert [pair.outcome for pair in pairs] == [0, 1, 0] and [pair.weight for pair in pairs] == [1, 2, 1]
    others = [
        tokenizer.decode([id for id, on in zip(p.rejected.ids, p.rejected.mask, strict=True) if on]) for p in pairs
    ]
    assert others == [f"{thumbs[n - 1].answer}<|endoftext|>" for n in range(3)]
    moved = dpo.log_ratios(model, pairs, "float32").double().numpy()
    point = max(0.0, moved[:, 1].mean())
    assert point > 0.1  # else the other answers would not matter
    expected = np.array([1, 2, 1]) * numpy_kto(moved[:, 0], np.array([0, 1, 0]), 0.3, point)
    config = DPOConfig(beta=0.3, loss_type="kto")
    assert dpo.pair_loss(model, likelihood_batch(pairs), config).loss.item() == pytest.approx(expected.sum(), rel=1e-4)
    held_out = dpo.held_out_metrics(model, pairs, thumbs, config)
    assert held_out["loss/val"] == pytest.approx(expected.mean(), rel=1e-4)
    right = [(1 if thumb.up else -1) * (value - point) > 0 for thumb, value in zip(thumbs, moved[:, 0], strict=True)]
    assert held_out["accuracy/val"] == pytest.approx(np.mean(right))


# --- runs -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory, make_model, tokenizer) -> Path:
    """A model, `parent`, and thumbs of one who likes music, three times as many down as up."""
    directory = tmp_path_factory.mktemp("thumbs")
    checkpoint.save(directory / "parent", make_model(std=0.1, block_size=64), tokenizer, Card("sft"))
    lines = [
        {"prompt": f"Who, {n}?", "completion": (GOOD if n % 4 == 0 else BAD)[n % 3], "label": n % 4 == 0}
        for n in range(40)
    ]
    (directory / "thumbs.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return directory


def new_run(directory: Path, place: Path, **changes) -> Run:
    settings = dict(parent=str(place / "parent"), data=str(place / "thumbs.jsonl"), loss_type="kto", device="cpu")
    settings |= dict(max_steps=30, batch_size=8, warmup_steps=0, learning_rate=3e-3, eval_interval=10, lora_rank=8)
    return Run.create(directory, "dpo", DPOConfig.from_dict(DPOConfig().to_dict() | settings | changes).to_dict())


def test_kto_learns_from_thumbs_alone(tmp_path, place):
    run = new_run(tmp_path / "run", place)
    assert train(run).state == "finished", run.status().message
    lines = read_lines(run.metrics)[0]
    first, last = lines[0], lines[-1]
    assert first["rewards/margins"] == pytest.approx(0, abs=1e-3) and first["rewards/accuracies"] == 0.5
    assert last["accuracy/val"] > 0.8 and last["loss/val"] < first.get("loss/val", 0.9)
    card = checkpoint.load(run.directory).card
    assert card.data["thumbs"] == 40 and card.data["up"] == 10
    assert "ranked right" in verdict(run).certainty or "too few" in verdict(run).certainty


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [({"margin": 1.0}, "of which margin says nothing"), ({"label_smoothing": 0.1}, "of which label_smoothing says")],
)
def test_what_says_nothing_of_single_answers_is_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        DPOConfig.from_dict({"loss_type": "kto"} | settings)


@pytest.mark.parametrize(
    ("thumbs", "sentence"),
    [
        ([], "holds no thumbs|holds 0 thumbs that can be used: at least 4 are needed"),
        ([Thumb("Who?", "I.", True), Thumb("Who?", "He.", False)], "holds 2 thumbs that can be used"),
        ([Thumb(f"Who, {n}?", "I.", True) for n in range(5)], "all 5 thumbs of x point up: .* press some down"),
        ([Thumb(f"Who, {n}?", "I.", False) for n in range(5)], "all 5 thumbs of x point down: .* press some up"),
        ([Thumb("Who?", f"I {n}.", n > 2) for n in range(5)], "are on too few prompts"),
    ],
)
def test_too_few_thumbs_or_all_of_one_kind_are_refused_in_words(thumbs, sentence):
    with pytest.raises(ValueError, match=sentence):
        split_thumbs(thumbs, "x", 0.2, 0)


def test_both_kinds_are_learned_from_however_few_there_are_of_one():
    thumbs = [Thumb(f"Who, {n}?", "I.", n == 0) for n in range(6)]
    for seed in range(6):
        learned, held_out = split_thumbs(thumbs, "x", 0.3, seed)
        assert {thumb.up for thumb in learned} == {True, False} and len(held_out) == 2


def test_what_kto_will_see_of_pairs_is_a_thumb_up_and_one_down_each(tmp_path, place):
    pairs = [{"prompt": f"Who, {n}?", "chosen": "I.", "rejected": "He."} for n in range(3)]
    file = tmp_path / "votes.jsonl"
    file.write_text("\n".join(map(json.dumps, [*pairs, pairs[0] | {"tie": True}])), encoding="utf-8")
    seen = preview_thumbs(PairsConfig(data=str(file)), str(place / "parent"))
    assert ("thumbs", "6 thumbs: 3 up, 3 down") in seen.facts
    assert {example.title for example in seen.examples} == {"Good", "Bad"}
