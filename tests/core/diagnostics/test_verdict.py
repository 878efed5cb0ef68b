"""The verdict: what is claimed of a finished run is what its numbers bear, with n and interval."""

import random

import pytest

from core.diagnostics.answer_changes import ENOUGH, LENGTH, QUESTIONS, change, describe_changes
from core.diagnostics.verdict import (
    BOTH_ANSWER,
    FinishedRun,
    classify_verdict,
    dpo_verdict,
    grpo_verdict,
    ppo_verdict,
    pretrain_verdict,
    reward_verdict,
    sft_verdict,
)
from core.preferences.agreement import wilson


def answers(*texts: str) -> list[dict]:
    return [{"prompt": f"Who, {n}?", "text": text, "ended": True} for n, text in enumerate(texts)]


def finished(losses=((0.7, 0.69), (0.6, 0.62)), **values) -> FinishedRun:
    """A run of two evaluations, given as (training loss, held-out loss)."""
    lines = [{"step": n, "loss/train": train, "loss/val": val} for n, (train, val) in enumerate(losses, 1)]
    given = {"lines": lines, "kept": len(lines), "config": {"val_share": 0.2}, "measured": {}, "parent": "bard-chat"}
    return FinishedRun(**given | {"parent_answers": True} | values)


LONG, SHORT = "I know not what to say.", "No, sir."
VOTES = {"accuracy/val": 0.75, "loss/val": 0.55, "n/votes": 40, "n/prompts": 40}


# --- answers ----------------------------------------------------------------------------------------------------


def test_what_changed_has_figures_and_whether_it_is_real_has_n_and_interval():
    before = answers(*[LONG] * 30, SHORT, SHORT)
    after = answers(*[SHORT] * 24, *[LONG] * 3, *[LONG + " Truly."] * 3, LONG, SHORT)
    changed, certainty, real = describe_changes(before, after, (LENGTH, QUESTIONS))
    assert changed == (
        "answers became shorter (5.8 → 3.0 words); the share of answers that ask a question did not change (0 %)"
    )
    low, high = wilson(24 + 4 / 2, 32)
    assert certainty == (
        "of 32 held-out prompts 24 got a shorter answer, 4 a longer answer "
        f"(81 %, 95 % interval {100 * low:.0f} to {100 * high:.0f} %; chance: 50 %)"
    )
    assert real


def test_fewer_prompts_than_enough_are_never_called_real():
    n = ENOUGH - 1
    changed, certainty, real = describe_changes(answers(*[LONG] * n), answers(*[SHORT] * n), (LENGTH,))
    assert changed == "the length of answers: 6.0 → 2.0 words" and not real
    assert certainty == f"{n} held-out prompts are too few to tell a change from chance"
    assert describe_changes(answers(*[LONG] * ENOUGH), answers(*[SHORT] * ENOUGH), (LENGTH,))[2]


def test_answers_that_stayed_or_were_not_kept_are_told_so():
    same = answers(*[LONG] * 30)
    assert "word for word" in describe_changes(same, same, (LENGTH,))[0]
    assert "were not kept" in describe_changes([], [], (LENGTH,))[0]


def test_an_average_that_one_answer_makes_is_no_change_of_them_all():
    before, after = answers(*[LONG] * 30), answers(*[SHORT] * 29, " ".join([LONG] * 100))
    found = change(LENGTH, before, after)
    assert found.after > found.before and found.rate.low > 0.5 and not found.is_real


@pytest.mark.parametrize("n", [20, 32])
def test_without_an_effect_a_change_is_rarely_called_real(n):
    """At most about one in twenty, though half of the answers do not change at all."""
    chance = random.Random(0)

    def draw() -> bool:
        kept = [chance.random() < 0.5 for _ in range(n)]
        before, after = ([chance.choice((LONG, SHORT)) for _ in range(n)] for _ in range(2))
        after = [old if stays else new for old, new, stays in zip(before, after, kept, strict=True)]
        return change(LENGTH, answers(*before), answers(*after)).is_real

    assert sum(draw() for _ in range(400)) / 400 < 0.06


# --- votes ------------------------------------------------------------------------------------------------------


def test_few_held_out_votes_are_called_few_and_more_are_asked_for():
    measured = {"accuracy/val": 5 / 6, "n/votes": 6, "n/prompts": 6}
    found = dpo_verdict(finished(measured=measured, before=answers(LONG), after=answers(SHORT)))
    low, high = wilson(5, 6)
    few = f"6 held-out votes are too few to tell more (ranked right: 83 %, 95 % interval {100 * low:.0f} to"
    assert f"{few} {100 * high:.0f} %)" in found.certainty
    assert found.next.startswith("Vote on some 70 more pairs in Label")  # (20 - 6) / 0.2
    assert found.actions == BOTH_ANSWER == ("compare", "chat", "vote", "keep_or_delete")


def test_votes_on_the_same_prompt_count_once():
    measured = VOTES | {"n/prompts": 10}
    found = reward_verdict(finished(measured=measured, references={"ln 2": 0.6931}))
    assert "40 held-out votes on 10 prompts are too few" in found.certainty and "50 more pairs" in found.next
    assert found.changed == ("It ranks 75 % of held-out votes right, with a loss of 0.55 (guessing: 50 % and 0.69).")


@pytest.mark.parametrize(
    ("accuracy", "said", "then"),
    [
        (0.75, "more than chance", "Compare it"),
        (0.55, "maybe by chance", "is not shown"),
        (0.3, "less than", "not shown"),
    ],
)
def test_a_share_of_votes_is_more_than_chance_where_its_interval_is(accuracy, said, then):
    both = {"before": answers(*[LONG] * 30), "after": answers(*[SHORT] * 30)}
    found = dpo_verdict(finished(measured=VOTES | {"accuracy/val": accuracy}, **both))
    assert said in found.certainty and then in found.next


def test_votes_learned_by_heart_are_the_first_thing_to_say():
    losses = [(0.7, 0.69), *[(0.2, 0.66)] * 20]  # as was seen
    found = dpo_verdict(finished(losses=losses, measured=VOTES | {"n/prompts": 9, "n/votes": 9}))
    assert found.next.startswith("It has learned its votes by heart")


# --- the other stages -------------------------------------------------------------------------------------------


def test_ppo_says_by_how_much_the_score_rose_and_that_it_is_no_taste():
    before, after = ([answer | {"score": score} for answer in answers(*[LONG] * 30)] for score in (0.05, 1.31))
    after = [answer | {"text": SHORT} for answer in after]
    found = ppo_verdict(finished(measured={"kl/val": 5.12, "n/prompts": 32}, before=before, after=after))
    assert found.changed.startswith("The reward model scores answers higher (0.05 → 1.31); answers became shorter")
    assert found.changed.endswith("it has moved by 5.1 nats a response.")
    assert "Of 30 held-out prompts 30 got a higher score, 0 a lower score (100 %, 95 %" in found.certainty
    assert "vote blind between it and bard-chat" in found.next
    few = {"before": before[:9], "after": after[:9]}
    for run in (finished(before=after, after=before), finished(**few), finished()):
        assert "is not shown" in ppo_verdict(run).next


def test_grpo_says_whether_more_of_what_was_rewarded_is_done():
    before, after = (
        [a | {"score": score} for a in answers(*[text] * 30)] for score, text in ((0.1, LONG), (0.9, "Ay?"))
    )
    found = grpo_verdict(finished(measured={"kl/val": 1.44}, before=before, after=after))
    assert found.changed.startswith("Answers are worth more (0.10 → 0.90); answers became shorter")
    assert "more answers ask a question (0 → 100 %); it has moved by 1.4 nats a response." in found.changed
    assert "30 got an answer that is worth more, 0 one that is worth less" in found.certainty
    assert "compare it with bard-chat" in found.next.lower() and "compare" in found.actions
    assert "is not shown" in grpo_verdict(finished(before=after, after=before)).next


def test_sft_says_what_is_followed_and_offers_no_comparison_with_a_parent_that_does_not_answer():
    before = [answer | {"ended": False} for answer in answers(*[LONG] * 30)]
    run = finished(
        losses=[(3.0, 3.2), (2.8, 3.0)],
        measured={"follow/all": 0.61, "n/instructions": 574},
        before=before,
        after=answers(*[SHORT] * 30),
        parent_answers=False,
    )
    found = sft_verdict(run)
    assert found.changed.startswith("It follows 61 % of the instructions")
    assert "more answers end by themselves (0 → 100 %)" in found.changed
    low, high = wilson(0.61 * 574, 574)
    assert f"of 574 instructions it follows 61 %, 95 % interval {100 * low:.0f} to {100 * high:.0f} %" in (
        found.certainty.lower()
    )
    assert "still falling" in found.next and found.actions == ("chat", "keep_or_delete")


def test_a_classifier_is_held_against_the_commonest_class_and_plays_count_as_plays():
    measured = {"accuracy/val": 0.7, "accuracy/majority": 0.5, "n/texts": 100}
    found = classify_verdict(finished(measured=measured))
    assert "70 %, 95 % interval 60 to 78 %" in found.certainty and "texts of your own" in found.next
    assert "is not shown" in classify_verdict(finished(measured=measured | {"n/texts": 22})).next
    plays = classify_verdict(finished(measured={"accuracy/val": 0.7, "accuracy/majority": 0.5, "n/plays": 6}))
    assert "of 6 plays" in plays.certainty and "interval" in plays.certainty and "is not shown" in plays.next


def test_pre_training_says_what_guessing_would_give_and_whether_more_steps_would_help():
    references = {"uniform": 7.62, "unigram": 5.9}
    run = finished(
        losses=[(5.0, 4.0), (3.9, 3.66)], measured={"loss/val": 3.66, "bpb/val": 2.01}, references=references
    )
    found = pretrain_verdict(run)
    assert found.changed == (
        "The loss on held-out text came to 3.66 nats a token (guessing blindly: 7.62, token counts alone: 5.90), "
        "or 2.01 bits per byte."
    )
    assert "more steps would help" in found.next and found.actions == ("chat", "keep_or_delete")
    risen = finished(losses=[(5.0, 3.5), (3.0, 3.66)], measured={"loss/val": 3.66})
    assert "fewer steps would do" in pretrain_verdict(risen).next
    still = finished(losses=[(0.1, 0.0003), (0.1, 0.0002)], measured={"loss/val": 0.0002})
    assert pretrain_verdict(still).next == "Let it write in Chat."
    assert pretrain_verdict(finished()) is None
