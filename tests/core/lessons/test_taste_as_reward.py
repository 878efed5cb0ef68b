"""Votes as a reward at a tiny size: who votes, what is written for the stages, what is measured of a policy."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core import checkpoint
from core.checkpoint import Card
from core.datasets.preference_files import Preference, read_preferences
from core.lessons import taste_as_reward
from core.lessons.taste_as_reward import METHODS, Measured, TasteExperiment, simulate_votes, spread
from core.model import GPT
from core.preferences.pair_generation import Writer
from core.preferences.vote_store import Answer
from core.tokenizer import Tokenizer
from tests.helpers.generators import returned

TEXTS = [("Ay.", "Ay, my good lord."), ("No, no, no.", "No."), ("Two words", "Two words")]
VOTES = [Preference(f"What is {n}?", "It is.", "It is not that I know of, sir.") for n in range(40)]


def test_the_rule_votes_for_the_shorter_answer_and_passes_over_what_it_cannot_tell(monkeypatch) -> None:
    def pairs(first: Writer, second: Writer, prompts: list[str], sampling: object, seed: int):
        return [
            (prompt, *(Answer(text, "model", 0) for text in TEXTS[i % len(TEXTS)])) for i, prompt in enumerate(prompts)
        ]

    monkeypatch.setattr(taste_as_reward, "answer_pairs", pairs)
    votes = returned(simulate_votes(None, 9))  # type: ignore[arg-type]  # nobody is asked to write
    assert len(votes) == 9 == len({vote.prompt for vote in votes})
    assert {(vote.chosen, vote.rejected) for vote in votes} == {("Ay.", "Ay, my good lord."), ("No.", "No, no, no.")}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory, tokenizer: Tokenizer, make_model: Callable[..., GPT]) -> TasteExperiment:
    """Of a chat model that knows nothing, on own votes."""
    parent = tmp_path_factory.mktemp("parent") / "chat"
    model = make_model(std=0.1, n_layer=1, n_embd=16, block_size=160)
    checkpoint.save(parent, model, tokenizer, Card("sft"))
    found = TasteExperiment(parent)
    assert returned(found.write_votes(VOTES)) == len(VOTES)
    return found


@pytest.fixture(scope="module", autouse=True)
def few_steps():
    """Of each stage: that they learn is tested where they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(taste_as_reward, "MEASURED_PROMPTS", 4)
        for name, recipe in taste_as_reward.RECIPES.items():
            fewer = {"rollouts": 8, "batch_size": 8, "group_size": 4} if name in ("ppo", "grpo") else {"batch_size": 4}
            fewer = {key: value for key, value in fewer.items() if key in recipe}
            patch.setitem(taste_as_reward.RECIPES, name, recipe | fewer | {"max_steps": 2, "warmup_steps": 0})
        yield


def test_own_votes_are_learned_from_by_all_methods_and_all_are_measured_alike(experiment: TasteExperiment) -> None:
    assert len(read_preferences(experiment.votes).pairs) == len(VOTES)
    assert all("prompt" in json.loads(line) for line in experiment.prompts.read_text().splitlines())
    ranked = returned(experiment.train_reward_model())
    assert ranked["n/votes"] == 8 and 0 <= ranked["accuracy/val"] <= 1
    base = experiment.measure(experiment.loaded.model)
    assert base.kl == pytest.approx(0, abs=1e-5) and base.gain(base).same == 4
    for method in METHODS:
        trained = returned(experiment.train(method))
        assert [line["step"] for line in trained.lines] == [1, 2]
        after = experiment.measure(trained.model)
        assert after.kl > 0 and [answer["prompt"] for answer in after.answers] == list(experiment.asked)


def test_its_files_go_with_it(tmp_path: Path) -> None:
    experiment = TasteExperiment(tmp_path / "parent", str(tmp_path))
    assert experiment.directory.parent == tmp_path and experiment.directory.is_dir()
    kept = experiment.directory
    experiment.kept.cleanup()
    assert not kept.exists()


def test_a_policy_is_summed_up_over_its_answers() -> None:
    answers = [answer("Ay, my lord.", True, 1.0), answer("No.", False, 3.0), answer("No.", False, 2.0)]
    found = Measured(answers, 0.0, 0.0)
    assert found.words == pytest.approx(5 / 3) and (found.followed.share, found.followed.count) == (1 / 3, 3)
    higher = [one | {"score": score} for one, score in zip(answers, (4.0, 4.0, 2.0), strict=True)]
    gain = Measured(higher, 0.0, 0.0).gain(found)
    assert (gain.grew, gain.same, gain.shrank, gain.after - gain.before) == (2, 1, 0, pytest.approx(4 / 3))
    assert spread(answers) == pytest.approx(1.0)


def answer(text: str, followed: bool, score: float) -> dict[str, Any]:
    return {"prompt": text, "text": text, "ended": True, "score": score, "followed": followed}
