"""The verdict on a finished run, from its numbers and answers: what changed, whether it is real, and what to do next.

Pure functions; which one is asked is said by the run's stage (`Stage.verdict`), and core.stages.registry.verdict reads
what they look at. A claim that it is more than chance has a 95 % interval and n; below ENOUGH cases none is made.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.diagnostics.answer_changes import (
    ENDED,
    ENOUGH,
    LENGTH,
    QUESTIONS,
    REWARD,
    SCORE,
    Answer,
    Trait,
    change,
    count,
    describe_changes,
    interval,
    percent,
)
from core.diagnostics.rlhf_rules import is_by_heart, votes_wanted
from core.preferences.agreement import Rate, rate
from core.skills.sentences import learned_sentence
from core.skills.skill import Birth

CHANGES, AT_LEAST = 0.003, 0.005  # share of a held-out loss, and nats, by which it must differ to be told
COMPARE, CHAT, VOTE, KEEP = "compare", "chat", "vote", "keep_or_delete"
BOTH_ANSWER = (COMPARE, CHAT, VOTE, KEEP)


@dataclass(frozen=True)
class Verdict:
    """Three sentences, and what can be done next.

    actions, each at most once and in the order in which to offer them: "compare" (before and after, on held-out
    prompts), "chat" (with the model and its parent side by side), "vote" (blind, on answers of both), "keep_or_delete".
    What needs a parent that answers is there only if the run has one.
    """

    changed: str  # "Answers became shorter (9.1 → 5.5 words); the share of answers that ask ... did not change (12 %)."
    certainty: (
        str  # "Of 32 held-out prompts 24 got a shorter answer, 3 a longer answer (83 %, 95 % interval 66 to 92 %)."
    )
    next: str  # "Compare it with bard-chat, and keep it if you prefer its answers."
    actions: tuple[str, ...]


@dataclass(frozen=True)
class FinishedRun:
    """What a run has left behind."""

    lines: Sequence[Mapping[str, Any]]  # of metrics.jsonl, by step
    kept: int  # the step whose weights were kept
    config: Mapping[str, Any]
    measured: Mapping[str, float]  # on held-out data, of the weights that were kept; counts begin with "n/"
    before: Sequence[Answer] = ()  # to held-out prompts, by the parent
    after: Sequence[Answer] = ()  # to the same ones, by the weights that were kept
    references: Mapping[str, float] = field(default_factory=dict)  # losses to compare with
    learned: Sequence[Birth] = ()  # skills, by step
    parent: str = ""  # its name, "" if there is none
    parent_answers: bool = False

    def values(self, metric: str, last: float = math.inf) -> list[float]:
        """Up to the step `last`."""
        return [line[metric] for line in self.lines if metric in line and line["step"] <= last]

    @property
    def actions(self) -> tuple[str, ...]:
        """Of a run whose model answers."""
        return BOTH_ANSWER if self.parent_answers else (CHAT, KEEP)


# --- what held-out votes show -----------------------------------------------------------------------------------


def describe_votes(run: FinishedRun) -> tuple[Rate | None, str]:
    """(how often held-out votes are ranked right, each prompt counting once; what that says). None: not noted."""
    accuracy, prompts = run.measured.get("accuracy/val"), int(run.measured.get("n/prompts", 0))
    if accuracy is None or not prompts:
        return None, "on how many held-out votes it was measured was not noted"
    found, votes = rate(accuracy * prompts, prompts), int(run.measured["n/votes"])
    of = count(votes, "held-out vote") + (f" on {count(prompts, 'prompt')}" if votes != prompts else "")
    if prompts < ENOUGH:
        return found, f"{of} {'is' if votes == 1 else 'are'} too few to tell more (ranked right: {interval(found)})"
    said = "more than chance" if found.low > 0.5 else "less than chance" if found.high < 0.5 else "maybe by chance"
    return found, f"of {of} {interval(found)}, are ranked right: {said}"


def more_votes(run: FinishedRun, ranked: Rate | None) -> str:
    wanted = votes_wanted(ranked.count if ranked else 0, run.config)
    return f"Vote on some {wanted} more pairs in Label and train again"


# --- stage by stage ---------------------------------------------------------------------------------------------


def dpo_verdict(run: FinishedRun) -> Verdict:
    changed, certainty, real = describe_changes(run.before, run.after, (LENGTH, QUESTIONS))
    ranked, votes = describe_votes(run)
    if is_by_heart(run.values("loss/train", run.kept), run.values("loss/val", run.kept), run.config):
        then = "It has learned its votes by heart: begin again with fewer steps, or with more votes"
    elif ranked is None or ranked.count < ENOUGH:
        then = f"{more_votes(run, ranked)}; until then, compare it with {run.parent} yourself"
    elif ranked.low <= 0.5:
        then = "That it can tell held-out votes apart is not shown: vote more and train again, or delete it"
    elif real:
        then = f"Compare it with {run.parent}, and keep it if you prefer its answers"
    else:
        then = f"Vote blind between it and {run.parent}, or begin again with more steps or a smaller beta"
    return verdict_of([changed], [certainty, votes], [then], run.actions)


def ppo_verdict(run: FinishedRun) -> Verdict:
    gained = f"a higher score is not yet a better answer: vote blind between it and {run.parent} before you keep it"
    lost = "that its score rose is not shown: begin again with more steps or a lower KL penalty, or delete it"
    return bent_verdict(run, SCORE, gained, lost)


def grpo_verdict(run: FinishedRun) -> Verdict:
    gained = f"it does more of what was rewarded: compare it with {run.parent} to see what that has cost"
    lost = "that its answers are worth more is not shown: begin again with more steps or another reward, or delete it"
    return bent_verdict(run, REWARD, gained, lost)


def bent_verdict(run: FinishedRun, trait: Trait, gained: str, lost: str) -> Verdict:
    """Of a policy that was bent to `trait`: what to do next if that is shown to have risen, and if it is not."""
    changed, certainty, _ = describe_changes(run.before, run.after, (trait, LENGTH, QUESTIONS))
    moved = run.measured.get("kl/val")
    distance = "" if moved is None else f"it has moved by {moved:.1f} nats a response"
    doubt = certainty or "what the answers do not show is not known"
    found = change(trait, run.before, run.after) if run.before else None
    then = gained if found and found.is_real and found.after > found.before else lost
    return verdict_of([changed, distance], [doubt], [then], run.actions)


def reward_verdict(run: FinishedRun) -> Verdict:
    ranked, votes = describe_votes(run)
    accuracy, loss = run.measured.get("accuracy/val"), run.measured.get("loss/val")
    changed = "a copy of the model has learned to score answers"
    if accuracy is not None and loss is not None:
        guessing = run.references.get("ln 2")
        against = f" (guessing: 50 % and {guessing:.2f})" if guessing else ""
        changed = f"it ranks {percent(accuracy)} of held-out votes right, with a loss of {loss:.2f}{against}"
    if ranked is None or ranked.count < ENOUGH:
        then = f"{more_votes(run, ranked)} before PPO relies on its scores"
    elif ranked.low <= 0.5:
        then = "That it can tell held-out votes apart is not shown: vote more before PPO relies on its scores"
    else:
        then = "Train with PPO on its scores, or delete it"
    return verdict_of([changed], [votes], [then], (KEEP,))


def sft_verdict(run: FinishedRun) -> Verdict:
    changed, certainty, _ = describe_changes(run.before, run.after, (ENDED, LENGTH))
    followed, asked = run.measured.get("follow/all"), int(run.measured.get("n/instructions", 0))
    said, told = "", ""
    if followed is not None:
        said = f"it follows {percent(followed)} of the instructions that held-out prompts give"
    if followed is not None and asked:
        told = f"of {asked:,} instructions it follows {interval(rate(followed * asked, asked))}"
    then = "chat with it, and vote on its answers to bend them to what you prefer"
    doubt = [told, certainty] if told or certainty else ["one training, whose answers cannot be compared"]
    return verdict_of([said, changed], doubt, [then, steps_sentence(run)], run.actions)


def classify_verdict(run: FinishedRun) -> Verdict | None:
    accuracy, base = run.measured.get("accuracy/val"), run.measured.get("accuracy/majority")
    if accuracy is None or base is None:
        return None
    texts, plays = (int(run.measured.get(key, 0)) for key in ("n/texts", "n/plays"))
    changed = (
        f"it names the class of {percent(accuracy)} of held-out texts; always the commonest class: {percent(base)}"
    )
    found = rate(accuracy * texts, texts) if texts else None
    if plays:
        certainty = f"these texts are of {plays} plays, and those of one are alike: too few plays for an interval"
    elif found is None:
        certainty = "on how many held-out texts it was measured was not noted"
    else:
        few = ": too few to tell more" if texts < ENOUGH else ""
        certainty = f"of {count(texts, 'held-out text')} {interval(found)}{few}"
    if found and texts >= ENOUGH and found.low > base:
        then = "try it on texts of your own, or delete it"
    else:
        then = "that it does better than the commonest class is not shown: give more texts, or train more of the model"
    return verdict_of([changed], [certainty], [then, steps_sentence(run)], (KEEP,))


def pretrain_verdict(run: FinishedRun) -> Verdict | None:
    loss, bits = run.measured.get("loss/val"), run.measured.get("bpb/val")
    if loss is None:
        return None
    known = {"uniform": "guessing blindly", "unigram": "token counts alone"}
    others = ", ".join(f"{text}: {run.references[key]:.2f}" for key, text in known.items() if key in run.references)
    changed = f"the loss on held-out text came to {loss:.2f} nats a token" + (f" ({others})" if others else "")
    changed += f", or {bits:.2f} bits per byte" if bits is not None else ""
    learned = f"on the way it learned {learned_sentence(run.learned)}" if run.learned else ""
    certainty = "this is one training on one held-out text: how much another seed would differ was not measured"
    return verdict_of([changed, learned], [certainty], ["let it write in Chat", steps_sentence(run)], (CHAT, KEEP))


def steps_sentence(run: FinishedRun) -> str:
    """What the end of the held-out loss says about the number of steps; "" if nothing."""
    losses = run.values("loss/val")
    if len(losses) < 2:
        return ""
    told = max(CHANGES * losses[-1], AT_LEAST)
    if losses[-1] < losses[-2] - told:
        return "the held-out loss was still falling, so more steps would help"
    if losses[-1] > min(losses) + told:
        return "the held-out loss had been lower, so fewer steps would do"
    return ""


def verdict_of(
    changed: Sequence[str], certainty: Sequence[str], then: Sequence[str], actions: tuple[str, ...]
) -> Verdict:
    """Each of the three is one sentence, of those of its parts that are not empty."""
    return Verdict(sentence(changed), sentence(certainty), sentence(then), actions)


def sentence(parts: Sequence[str]) -> str:
    text = "; ".join(part for part in parts if part)
    return f"{text[:1].upper()}{text[1:]}."
