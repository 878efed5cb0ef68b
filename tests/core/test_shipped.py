"""The models that come with the project: small enough for git, good enough to be shown, open to Hugging Face."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from core import checkpoint
from core.chat_template import encode_prompt, turn_ends
from core.datasets import shakespeare as corpora
from core.datasets.prompts import held_out_prompts
from core.evaluation.instructions import evaluate_instructions, replies
from core.evaluation.language_model import bits_per_byte
from core.evaluation.report_card import EACH
from core.generate import Sampling
from core.interpretability import activations
from core.preferences.rule_annotators import RULES
from core.stages.dpo import DPOConfig
from core.stages.grpo import GRPOConfig
from core.stages.pretrain import PretrainConfig
from core.stages.sft import SFTConfig
from core.training.lr_schedule import snapshot_steps
from core.training.run_directory import Run

SHIPPED = Path(__file__).parents[2] / "checkpoints"
BARD, TINY, SFT, CHAT, ALIGNED = (SHIPPED / f"bard-{name}" for name in ("base", "tiny", "sft", "chat", "aligned"))
ALL = (BARD, TINY, SFT, CHAT, ALIGNED)
SNAPSHOTS = Run(TINY).snapshots()
TEXT = "ROMEO:\nBut soft, what light through yonder window breaks? 🙂\n\nJULIET:\n"


def test_their_cards_say_that_they_are_shipped_and_no_others_do():
    for path in SHIPPED.glob("*/card.json"):
        assert checkpoint.read_card(path).shipped == (path.parent in ALL), path.parent.name


@pytest.mark.parametrize("directory", [*ALL, *SNAPSHOTS], ids=lambda path: path.name)
def test_hugging_face_opens_it_with_the_same_ids_and_logits(directory):
    ours = checkpoint.load(directory)
    ids = ours.tokenizer.encode(TEXT)
    assert AutoTokenizer.from_pretrained(directory)(TEXT)["input_ids"] == ids
    theirs = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    idx = torch.tensor([ids])
    with torch.inference_mode():
        assert (ours.model(idx)[0] - theirs(idx).logits).abs().max() < 1e-4


@pytest.mark.parametrize("directory", [SFT, CHAT, ALIGNED], ids=lambda path: path.name)
def test_what_answers_says_how_it_is_chatted_with(directory):
    ours, theirs = checkpoint.load(directory), AutoTokenizer.from_pretrained(directory)
    asked = [{"role": "system", "content": "It is night."}, {"role": "user", "content": "Who's there?"}]
    prompt = theirs.apply_chat_template(asked, add_generation_prompt=True)["input_ids"]
    assert prompt == encode_prompt(ours.tokenizer, asked)
    assert set(GenerationConfig.from_pretrained(directory).eos_token_id) == turn_ends(ours.tokenizer)


def test_all_of_them_fit_into_git():
    assert sum(path.stat().st_size for directory in ALL for path in directory.rglob("*") if path.is_file()) <= 60e6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("directory", "corpus", "most"),
    [(BARD, "shakespeare", 2.02), (TINY, "shakespeare-echo", 1.8)],
    ids=lambda value: str(value),
)
def test_it_predicts_plays_that_it_has_never_seen_as_well_as_its_card_says(directory, corpus, most):
    loaded = checkpoint.load(directory)
    measured = bits_per_byte(loaded, corpora.load(corpus))
    assert measured <= most
    assert math.isclose(measured, loaded.card.report["bpb/val"], abs_tol=1e-3)


# --- bard-chat's obedience ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_bard_chat_follows_instructions_on_plays_that_it_has_never_seen_and_bard_base_does_not():
    chat, base = checkpoint.load(CHAT), checkpoint.load(BARD)
    obeyed = evaluate_instructions(chat.model, chat.tokenizer, EACH)
    assert obeyed["follow/all"] >= 0.87
    assert obeyed["follow/speaker"] >= 0.85  # names of plays that it has not read are copied letter by letter
    assert obeyed["context"] > 0.5 + 2 * 0.5 / math.sqrt(5 * EACH)  # two standard errors above chance
    assert obeyed["n/instructions"] > 250
    for name, value in ((name, share) for name, share in obeyed.items() if not name.startswith("n/")):
        assert math.isclose(value, chat.card.report[name], abs_tol=0.03), name  # half precision draws other words
    assert evaluate_instructions(base.model, base.tokenizer, 10)["follow/all"] < 0.4


def test_bard_sft_is_what_its_stage_makes_of_bard_base():
    stage, config = Run(SFT).read()
    assert (stage, SFTConfig.from_dict(config).to_dict()) == ("sft", SFTConfig().to_dict() | {"dtype": "bfloat16"})
    assert checkpoint.read_card(SFT / "card.json").data["parent_sha256"] == checkpoint.weights_digest(BARD)


def test_bard_chat_is_what_rewards_for_obeying_make_of_bard_sft():
    stage, config = Run(CHAT).read()
    changes = {"parent": "checkpoints/bard-sft", "reward": "instructions", "max_steps": 240, "scale_rewards": False}
    changes |= {"kl_coef": 0.03, "eval_interval": 40, "save_interval": 40}
    assert (stage, GRPOConfig.from_dict(config).to_dict()) == ("grpo", GRPOConfig().to_dict() | changes)
    assert checkpoint.read_card(CHAT / "card.json").data["parent_sha256"] == checkpoint.weights_digest(SFT)


def test_bard_aligned_is_bard_chat_bent_by_the_simulated_annotator():
    stage, config = Run(ALIGNED).read()
    recipe = DPOConfig().to_dict() | {"data": config["data"], "save_dtype": "float16"}
    assert (stage, DPOConfig.from_dict(config).to_dict()) == ("dpo", recipe)
    card = checkpoint.read_card(ALIGNED / "card.json")
    assert card.parent == "bard-chat" and card.data["parent_sha256"] == checkpoint.weights_digest(CHAT)
    assert "simulated-annotator-question" in str(card.data)


@pytest.mark.slow
def test_bard_aligned_asks_far_more_often_than_bard_chat():
    asks, prompts, sampling = RULES["question"], held_out_prompts(60), Sampling(max_new_tokens=64)
    rates = []
    for directory in (CHAT, ALIGNED):
        loaded = checkpoint.load(directory)
        answers = replies(loaded.model, loaded.tokenizer, prompts, sampling)
        rates.append(sum(map(asks.holds, answers)) / len(answers))
    assert rates[0] < 0.4 and rates[1] > 0.7


# --- bard-tiny's time-lapse -----------------------------------------------------------------------------------


def test_bard_tiny_is_what_its_preset_makes():
    stage, config = Run(TINY).read()
    assert (stage, PretrainConfig.from_dict(config)) == ("pretrain", PretrainConfig.preset("tiny"))
    assert Run(TINY).status().state == "finished"


def test_bard_tiny_has_all_its_snapshots():
    fit = PretrainConfig.preset("tiny").fit
    assert [checkpoint.read_card(path / "card.json").step for path in SNAPSHOTS] == snapshot_steps(
        fit.max_steps, fit.snapshots
    )


def test_induction_heads_form_over_the_snapshots():
    scores = [scores_of(path) for path in SNAPSHOTS]
    induction, previous = ([score[i].max().item() for score in scores] for i in range(2))
    assert max(induction[:2]) < 0.05  # as little as by chance
    assert induction[-1] > 0.25  # of at most 0.49: there is nothing to look up in the first half
    assert previous[0] < 0.1 and previous[-1] > 0.5  # the heads that they build on
    assert scores[-1][0].argmax() >= 4 > scores[-1][1].argmax()  # one layer above them


def scores_of(directory: Path) -> tuple[Tensor, Tensor]:
    """How much each head (n_layer * n_head) is an induction head and a previous-token head, on twice the same tokens.

    sum(weights * pattern) / sum(weights), the detectors of TransformerLens (error_measure "mul").
    """
    loaded = checkpoint.load(directory)
    chosen = torch.randperm(loaded.tokenizer.vocab_size - 260, generator=torch.Generator().manual_seed(0))[:32]
    ids = (256 + chosen).repeat(2)  # (T,): tokens of several letters; of the bytes, many never occur in the plays
    weights = activations.attention(loaded.model, ids.tolist()).flatten(0, 1)  # (heads, T, T)
    same = (ids[:, None] == ids).tril(-1)
    after = torch.zeros_like(same)
    after[:, 1:] = same[:, :-1]
    before = torch.eye(len(ids)).roll(1, 0).tril(-1)
    induction, previous = ((weights * pattern).sum((1, 2)) / weights.sum((1, 2)) for pattern in (after.tril(), before))
    return induction, previous
