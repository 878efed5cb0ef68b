"""Pairs to vote on, the simulated annotator, and the model of a taste, with the shipped chat model."""

import time
from pathlib import Path

import numpy as np
import pytest

from core import checkpoint
from core.__main__ import main
from core.datasets.preference_files import prompt_messages
from core.datasets.prompts import learning_prompts
from core.evaluation.instructions import replies
from core.generate import Sampling
from core.packed_model import PackedGPT
from core.preferences import pair_generation
from core.preferences.agreement import position_bias
from core.preferences.pair_generation import PAIR_SAMPLING, Writer, answer_pairs, replace_surrogates, simulate
from core.preferences.preference_model import RIDGE, PreferenceModel, features, weighted_scale
from core.preferences.rule_annotators import RULES, annotator_of, prefer, rule_behind
from core.preferences.vote_store import Votes
from core.tokenizer import Tokenizer

CHAT = Path(__file__).parents[3] / "checkpoints" / "bard-sft"  # whose answers are longer, so that more of them say thou


@pytest.fixture(scope="module")
def chat() -> checkpoint.Checkpoint:
    return checkpoint.load(CHAT)


@pytest.fixture(scope="module")
def writer(chat) -> Writer:
    return Writer(PackedGPT(chat.model), chat.tokenizer, "bard-chat")


def test_answers_differ_are_reproducible_and_say_by_which_seed(chat, writer):
    prompts = learning_prompts(12, seed=3)
    found = answer_pairs(writer, writer, prompts, PAIR_SAMPLING, seed=5)
    assert found == answer_pairs(writer, writer, prompts, PAIR_SAMPLING, seed=5)
    assert [prompt for prompt, _, _ in found] == prompts
    for _, left, right in found:
        assert left.text and right.text and left.text != right.text and left.model == "bard-chat"
    prompt, left, _ = found[7]
    alone = Sampling(**PAIR_SAMPLING.to_dict() | {"seed": left.seed})
    assert replies(chat.model, chat.tokenizer, [prompt], alone)[0].strip() == left.text


def test_prompts_that_get_the_same_answer_every_time_are_left_out(writer):
    greedy = Sampling(max_new_tokens=8, temperature=0.0)
    assert answer_pairs(writer, writer, ["Who's there?"], greedy, seed=0) == []


def test_what_cannot_be_answered_is_said_in_words(writer, make_model, tokenizer):
    with pytest.raises(ValueError, match=r"leaves no room for an answer in the context of bard-chat, 256"):
        answer_pairs(writer, writer, ["word " * 400], PAIR_SAMPLING, 0)
    without_turns = Writer(make_model(vocab_size=50257, n_embd=8), Tokenizer.gpt2(), "gpt2")
    with pytest.raises(ValueError, match="cannot say whose turn it is"):
        answer_pairs(without_turns, without_turns, ["Who?"], PAIR_SAMPLING, 0)


@pytest.fixture
def few_at_once(monkeypatch):
    """For who wants few votes: not 64 prompts are answered for them."""
    monkeypatch.setattr(pair_generation, "AT_ONCE", 16)


@pytest.mark.usefixtures("few_at_once")
def test_a_rule_votes_as_it_says(writer, tmp_path):
    votes = Votes(tmp_path / "preferences.db")
    counts = list(simulate(votes, writer, "question", 20, PAIR_SAMPLING, seed=1))
    assert counts[-1] == 20 and votes.annotators() == {"rule: question": 20}
    rule = RULES["question"]
    for vote in votes.standing():
        assert vote.decided and prefer(rule, vote.chosen.text, vote.rejected.text) == "left"
        assert vote.pair.source == "rule"
    assert 0.2 < position_bias(votes.standing()).share < 0.8
    with pytest.raises(ValueError, match="rule must be one of"):
        next(simulate(votes, writer, "louder", 1, PAIR_SAMPLING, seed=1))


@pytest.mark.usefixtures("few_at_once")
def test_a_rule_that_votes_again_with_the_same_seed_votes_on_other_pairs(writer, tmp_path):
    votes = Votes(tmp_path / "preferences.db")
    for _ in range(2):
        list(simulate(votes, writer, "shorter", 4, PAIR_SAMPLING, seed=1))
    assert len(votes.standing()) == 8
    assert len({(v.pair.prompt, frozenset((v.chosen, v.rejected))) for v in votes.standing()}) == 8


@pytest.mark.usefixtures("few_at_once")
def test_the_command_line_lets_a_rule_vote(tmp_path, caplog):
    caplog.set_level("INFO")
    db = tmp_path / "preferences.db"
    assert main(["votes", "simulate", str(CHAT), "--rule", "shorter", "--count", "5", "--db", str(db)]) == 0
    assert main(["votes", "list", "--db", str(db)]) == 0
    assert "5 of 5 votes" in caplog.text and caplog.messages[-1].split() == ["5", "rule:", "shorter"]


@pytest.mark.slow
def test_a_taste_is_known_after_thirty_votes_and_refitted_in_milliseconds(chat, writer):
    """Twenty times 30 votes, drawn from as many as there are; what is foretold are all the others."""
    prompts = learning_prompts(192, seed=11)
    found = [pair for n in range(3) for pair in answer_pairs(writer, writer, prompts[64 * n :][:64], PAIR_SAMPLING, n)]
    asked = [prompt for prompt, _, _ in found]
    left, right = ([pair[side].text for pair in found] for side in (1, 2))
    asked = list(map(prompt_messages, asked))
    differences = features(chat.model, chat.tokenizer, asked, left) - features(chat.model, chat.tokenizer, asked, right)
    choices = {name: [prefer(rule, a, b) for a, b in zip(left, right, strict=True)] for name, rule in RULES.items()}
    for name, least in {"question": 0.94, "thou": 0.89, "shorter": 0.89}.items():  # measured: 98, 94, 92
        decided = np.array([number for number, choice in enumerate(choices[name]) if choice != "tie"])
        outcomes = np.array([float(choice == "left") for choice in choices[name]])
        right_about = []
        for seed in range(20):
            order = np.random.default_rng(seed).permutation(decided)
            taste = PreferenceModel.fit(differences[order[:30]], outcomes[order[:30]])
            right_about += [(taste.probability(differences[i]) > 0.5) == outcomes[i] for i in order[30:]]
        assert np.mean(right_about) > least, name
    began = time.process_time()
    PreferenceModel.fit(differences, np.ones(len(differences)))
    assert time.process_time() - began < 1  # 40 ms; what else the machine does is not counted


def test_a_taste_is_the_minimum_of_its_loss_and_symmetric():
    chance = np.random.default_rng(0)
    differences, truth = chance.normal(size=(40, 9)), chance.normal(size=9)
    outcomes = (differences @ truth > 0).astype(float)
    outcomes[:5] = 0.5
    taste = PreferenceModel.fit(differences, outcomes)
    p = np.array([taste.probability(d) for d in differences])
    scale = weighted_scale(differences)
    gradient = (differences * scale).T @ (p - outcomes) / 40 + RIDGE * taste.weights / scale
    assert np.abs(gradient).max() < 1e-6
    assert taste.probability(differences[7]) == pytest.approx(1 - taste.probability(-differences[7]))
    flipped = PreferenceModel.fit(-differences, 1 - outcomes)
    np.testing.assert_allclose(flipped.weights, taste.weights, atol=1e-9)


def test_features_do_not_depend_on_who_stands_beside(chat):
    prompts, answers = (
        ["Who's there?", "What say you, my lord?"],
        ["Friends.", "I know not what to say to that, my lord."],
    )
    prompts = list(map(prompt_messages, prompts))
    both = features(chat.model, chat.tokenizer, prompts, answers)
    alone = np.concatenate(
        [features(chat.model, chat.tokenizer, [p], [a]) for p, a in zip(prompts, answers, strict=True)]
    )
    np.testing.assert_allclose(both, alone, atol=1e-3)
    assert both.shape == (2, 3 * 288 + 1)
    ids = chat.tokenizer.encode(answers[1])
    words = chat.model.transformer.wte.weight[[*ids, chat.tokenizer.eot]].mean(0)
    np.testing.assert_allclose(both[1, :288], words.detach(), atol=1e-5)
    assert both[1, -1] == pytest.approx(np.log(len(ids) + 1))


def test_answers_can_be_stored_whatever_bytes_a_model_writes():
    assert replace_surrogates("a\udf80b\ud800") == "a\ufffdb\ufffd"
    assert replace_surrogates("O 🙂, naïve\n") == "O 🙂, naïve\n"


def test_the_rule_behind_a_vote_is_known_by_the_name_it_votes_under():
    assert {name: rule_behind(annotator_of(name)) for name in RULES} == {name: name for name in RULES}
    assert annotator_of("question") == "rule: question", "as the stores on disk have it"
    assert rule_behind("rule: unheard of") is None and rule_behind("question") is None and rule_behind("") is None
