"""The dial: the mixed model answers, is measured on the rule, steers by votes, and is kept; what cannot be is told."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core import checkpoint, task_arithmetic
from core.checkpoint import Card, read_card, weights_digest
from core.conversation import Conversation, Message, generate_reply
from core.datasets.preference_files import Preference
from core.generate import Sampling
from core.model import GPT
from core.packed_model import PackedGPT
from core.preferences.vote_store import Votes
from core.rlhf.task_vectors import mix
from core.task_arithmetic import Mixture
from core.tokenizer import Tokenizer
from playground.services.checkpoints import Checkpoints
from playground.tabs.align import mixtures as module
from playground.tabs.align.mixtures import DIAL, MOST_TOKENS, STEERING, Mixtures
from playground.tabs.chat.settings import about_dial

HALF = Mixture((("one", 0.5),))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, make_model: Callable[..., GPT], tokenizer: Tokenizer) -> Path:
    place = tmp_path_factory.mktemp("models")
    checkpoint.save(place / "parent", make_model(block_size=128), tokenizer, Card("sft"))
    data = {"parent_sha256": weights_digest(place / "parent")}
    for name, std in (("one", 0.31), ("two", 0.32)):
        checkpoint.save(place / name, make_model(block_size=128, std=std), tokenizer, Card("dpo", "parent", data=data))
    checkpoint.save(place / "orphan", make_model(block_size=128), tokenizer, Card("dpo", "gone"))
    return place


@pytest.fixture
def mixtures(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mixtures:
    for asking in (task_arithmetic, module):
        monkeypatch.setattr(asking, "held_out_prompts", lambda count: ["To be?", "Who is it?"])
    monkeypatch.setattr(module, "AMOUNTS", (-1.0, 0.0, 2.0))
    monkeypatch.setattr(module, "STRENGTHS", (0.0, 4.0))
    return Mixtures(Checkpoints(place, torch.device("cpu")), Votes(tmp_path / "preferences.db"))


def answer_of(mixtures: Mixtures, mixture: Mixture) -> list[int]:
    name, ids = mixtures.begin(mixture, "To be?", seed=5), []
    while True:
        news = mixtures.answers.more({name: len(ids)})[name]
        assert news is not None
        ids += [id for id, _, _ in news["tokens"]]
        if news["state"] != "writing":
            assert not news["error"]
            return ids


def test_what_the_dial_writes_is_what_the_mixed_weights_write(mixtures: Mixtures):
    parent, one = (mixtures.checkpoints.load(name) for name in ("parent", "one"))
    asked, drawn = Conversation((Message("user", "To be?"),)), Sampling(max_new_tokens=MOST_TOKENS, seed=5)

    def written(model: GPT) -> list[int]:
        return [step.id for step in generate_reply(PackedGPT(model), parent.tokenizer, asked, drawn)]

    for a in (0.0, 0.5, 1.0):
        assert answer_of(mixtures, Mixture((("one", a),))) == written(mix(parent.model, [(one.model, a)]))
    assert written(parent.model) != written(one.model)


def test_a_mixture_stays_in_memory_until_a_model_changes(mixtures: Mixtures, place: Path, tokenizer: Tokenizer):
    checkpoints = mixtures.checkpoints
    first = checkpoints.load_mixed(HALF).model
    assert checkpoints.load_mixed(HALF).model is first
    assert checkpoints.load_dialled("one", 1.0).model is checkpoints.load("one").model
    assert checkpoints.load_dialled("one", 0.5).model is first
    assert checkpoints.load_mixed(replace(HALF, off=frozenset({"mlp.0"}))).model is not first


def test_the_page_is_told_the_parent_the_siblings_and_whether_votes_can_steer(mixtures: Mixtures):
    about = mixtures.about("one")
    assert (about["parent"], about["siblings"], about["layers"]) == ("parent", ["two"], 2)
    assert (about["votes"], about["can_steer"]) == (0, False)
    assert about_dial(mixtures.checkpoints, "one") == {"parent": "parent", "why": ""}
    assert about_dial(mixtures.checkpoints, "parent") == {"parent": "", "why": ""}
    for name, sentence in (
        ("", "choose a model that was made"),
        ("orphan", "the parent of orphan, gone, is not there"),
    ):
        with pytest.raises(ValueError, match=sentence):
            mixtures.about(name)
    assert "gone, is not there any more" in about_dial(mixtures.checkpoints, "orphan")["why"]


def test_two_votes_do_not_steer_and_twelve_do(mixtures: Mixtures):
    steered = replace(HALF, strength=2.0)
    mixtures.votes.import_preferences([Preference("Who?", "I.", "Thou."), Preference("What?", "Ay.", "No.")], "me")
    with pytest.raises(ValueError, match="2 of 2 votes prefer an answer: a steering vector needs at least 10"):
        mixtures.begin(steered, "To be?", 0)
    mixtures.votes.import_preferences([Preference(f"Who, {n}?", "I.", "Thou, thou.") for n in range(10)], "me")
    assert mixtures.about("one")["can_steer"]
    vectors = mixtures.steering(steered)
    assert vectors is not None and vectors.votes == 12 and mixtures.steering(steered) is vectors
    plain, bent = (mixtures.checkpoints.load_mixed(*some).model for some in ((HALF,), (steered, vectors)))
    bias = [model.blocks[0].mlp.c_proj.bias for model in (plain, bent)]
    torch.testing.assert_close(bias[1], bias[0] + 2 * vectors.vectors[0])


def test_a_picture_has_a_point_for_each_amount_and_may_be_one_of_steering(mixtures: Mixtures):
    mixtures.votes.import_preferences([Preference(f"Who, {n}?", "I.", "Thou, thou.") for n in range(10)], "me")
    for varied, wanted in ((DIAL, (-1.0, 0.0, 2.0)), (STEERING, (0.0, 4.0))):
        mixtures.measure(Mixture((("one", 0.0),)), varied, "shorter")
        mixtures.task.join(120)
        status = mixtures.task.status()
        assert not status["error"] and [point["at"] for point in status["points"]] == list(wanted)
        at = {point["at"]: point["kl"][0] for point in status["points"]}
        assert at[0.0] == pytest.approx(0, abs=1e-5) and at[wanted[-1]] > 0.01
        assert all(low <= value <= high for value, low, high in (point["reward"] for point in status["points"]))


def test_what_is_kept_is_a_model_and_a_name_that_is_taken_is_refused(mixtures: Mixtures):
    wish = Mixture((("one", 0.5), ("two", 0.25)))
    assert mixtures.keep(wish, "blend") == "parent + 0.5 (one - parent) + 0.25 (two - parent)"
    directory = mixtures.checkpoints.directory / "blend"
    assert read_card(directory / "card.json").data["mixed"] == {"one": 0.5, "two": 0.25}
    assert "blend" in mixtures.checkpoints.chat_names() and mixtures.about("one")["siblings"] == ["blend", "two"]
    with pytest.raises(ValueError, match="blend"):
        mixtures.keep(wish, "blend")
    with pytest.raises(ValueError, match="name"):
        mixtures.keep(wish, "../x")
