"""Lesson 8, your taste as a reward: thirty votes, four ways to learn from them, and a policy that cheats."""

import os
from collections.abc import Generator

from core.datasets.preference_files import Preference
from core.diagnostics.answer_changes import Change, interval, percent
from core.lessons.taste_as_reward import METHODS, PRESSED, RULE, VOTES, Measured, TasteExperiment, spread
from core.preferences.agreement import rate
from core.preferences.rule_annotators import RULES, rule_behind
from core.stages.registry import DPO, GRPO, PPO
from playground.services.services import Services
from playground.tabs.learn.figures import curves
from playground.tabs.learn.lesson import (
    Answer,
    Choice,
    Context,
    Lesson,
    Link,
    Progress,
    Result,
    Run,
    Slider,
    Step,
    Table,
    Texts,
)
from playground.tabs.learn.measuring import chat_model, reported, small_model

TITLES = {DPO: "DPO", PPO: "PPO", GRPO: "GRPO"}
FOLLOWED = ("More answers follow it", "As many answers follow it", "Fewer answers follow it")
REWARDED = "reward"  # the metric
SHOWN = 3  # answers, before and after


class Kept:
    """The latest experiment, so that a step goes on where the one before has ended; until the playground ends."""

    def __init__(self) -> None:
        self.experiment: TasteExperiment | None = None
        self.ranked: dict[str, float] = {}  # how the reward model ranks the votes that it has not learned from
        self.own = False  # are the votes a person's own?
        self.base: Measured | None = None  # the parent on the held-out prompts

    def reward_model(self, context: Context, last: float) -> Generator[Progress, None, TasteExperiment]:
        """Votes and a reward model, if they are not there yet; `last`: the share of the measurement that this is."""
        parent = small_model(context, chat_model(context))
        if self.experiment and self.experiment.parent == parent and self.ranked:
            return self.experiment
        yield Progress("reading the model", 0.0)
        own, self.ranked, self.base = own_votes(context.services), {}, None
        self.own = len(own) >= VOTES
        self.experiment = found = TasteExperiment(parent, os.environ.get("GRADIO_TEMP_DIR"))
        yield from reported(found.write_votes(own), "voting on answers", 0, last / 3)
        self.ranked = yield from reported(found.train_reward_model(), "learning the votes", last / 3, last)
        return found

    def before(self, experiment: TasteExperiment) -> Measured:
        """The parent."""
        self.base = self.base or experiment.measure(experiment.loaded.model)
        return self.base


KEPT = Kept()


def own_votes(services: Services) -> list[Preference]:
    """Votes of people between two answers of which one is better."""
    people = [name for name in services.preferences.annotators() if rule_behind(name) is None]
    return [vote for vote in services.preferences.preferences(people) if not vote.tie] if people else []


# --- thirty votes ----------------------------------------------------------------------------------------------


def reward_model(context: Context) -> Run:
    experiment = yield from KEPT.reward_model(context, 0.9)
    ranked = KEPT.ranked
    base = KEPT.before(experiment)
    share, n = ranked["accuracy/val"], int(ranked["n/prompts"])
    answers = sorted(base.answers, key=lambda answer: -answer["score"])
    rows = [
        [f"{answer['score']:+.2f}", answer["prompt"], answer["text"]] for answer in answers[:SHOWN] + answers[-SHOWN:]
    ]
    figures = {"share": 100 * share, "n": float(n), "own": float(KEPT.own), "low": rate(share * n, n).low}
    return Result(figures, 100 * share, (Table("What it likes most and least", ("score", "prompt", "answer"), rows),))


def explain_reward_model(result: Result, prediction: Answer) -> str:
    found = result.figures
    voter = (
        "your own votes" if found["own"] else f"votes of a simulated annotator, who prefers what {RULES[RULE].title}"
    )
    ranked = interval(rate(found["share"] / 100 * found["n"], int(found["n"])))
    return (
        f"On {found['n']:.0f} votes that it has not learned from, the reward model puts the preferred answer first in "
        f"{ranked}; a coin gets 50 %. They are {voter}: what it has learned is a guess at a taste, good enough to "
        "follow and too rough to trust."
    )


# --- three methods ---------------------------------------------------------------------------------------------


def methods(context: Context) -> Run:
    experiment = yield from KEPT.reward_model(context, 0.3)
    base = KEPT.before(experiment)
    unit, figures, rows = spread(base.answers), dict[str, float](), []
    texts = [(experiment.parent.name, sample(base))]
    for i, method in enumerate(METHODS):
        first = 0.3 + 0.7 * i / len(METHODS)
        work = experiment.train(method)
        trained = yield from reported(work, f"{TITLES[method]} learns", first, first + 0.2)
        after = experiment.measure(trained.model)
        change = after.gain(base)
        gain = (change.after - change.before) / unit
        figures |= {f"{method}_gain": gain, f"{method}_kl": after.kl, f"{method}_real": float(change.is_real)}
        figures |= {"n": float(len(base.answers))}
        rows.append([TITLES[method], f"{gain:+.2f}", higher(change), f"{after.kl:.1f}", f"{after.words:.1f}"])
        texts.append((TITLES[method], sample(after)))
    best = max(METHODS, key=lambda method: figures[f"{method}_gain"])
    columns = ("method", "gain, in standard deviations", "prompts with a higher score", "KL, nats", "words")
    return Result(
        figures, TITLES[best], (Table("What each has bought, and how far it went", columns, rows), Texts(tuple(texts)))
    )


def higher(change: Change) -> str:
    return f"{change.grew} of {change.grew + change.shrank + change.same}"


def sample(measured: Measured) -> str:
    return "\n\n".join(f"{answer['prompt']}\n→ {answer['text']}" for answer in measured.answers[:SHOWN])


def explain_methods(result: Result, prediction: Answer) -> str:
    found = result.figures
    said = ", ".join(
        f"{TITLES[method]} {found[f'{method}_gain']:+.2f} for {found[f'{method}_kl']:.1f} nats" for method in METHODS
    )
    return (
        f"In standard deviations of the score, on {found['n']:.0f} held-out prompts: {said}. DPO learns from the votes "
        "themselves and needs no reward model; PPO and GRPO let the model write, ask the reward model, and make what "
        "scored well likelier, which costs most of their time in writing."
    )


def methods_hold(result: Result) -> bool:
    found = result.figures
    best = max(METHODS, key=lambda method: found[f"{method}_gain"])
    return bool(found[f"{best}_real"]) and all(found[f"{method}_kl"] > 0 for method in METHODS)


# --- cheating --------------------------------------------------------------------------------------------------


def cheat(context: Context) -> Run:
    experiment = yield from KEPT.reward_model(context, 0.3)
    base = KEPT.before(experiment)
    trained = yield from reported(experiment.train(GRPO, **PRESSED), "pressing for the score", 0.3, 0.95)
    after = experiment.measure(trained.model)
    change, unit = after.gain(base), spread(base.answers)
    before, now = base.followed, after.followed
    assert before.share is not None and now.share is not None  # there are prompts
    figures = {
        "gain": (change.after - change.before) / unit,
        "real": float(change.is_real),
        "followed_before": before.share,
        "followed_after": now.share,
        "n": float(now.count),
        "kl": after.kl,
        "words_before": base.words,
        "words_after": after.words,
        "findings": float(len(trained.findings)),
    }
    outcome = FOLLOWED[1 if now.share == before.share else 0 if now.share > before.share else 2]
    steps = [line["step"] for line in trained.lines]
    rewards = dict(reward=(steps, [line[REWARDED] for line in trained.lines]))
    columns = ("", "before", "after")
    rows = [
        ["score, in standard deviations", "0.00", f"{figures['gain']:+.2f}"],
        ["instructions followed", interval(before), interval(now)],
        ["words in an answer", f"{base.words:.1f}", f"{after.words:.1f}"],
        ["repeated, three tokens at a time", percent(base.repetition), percent(after.repetition)],
        ["distance, nats a response", "0.0", f"{after.kl:.1f}"],
        *([["the doctor", "", finding.title] for finding in trained.findings]),
    ]
    return Result(
        figures,
        outcome,
        (
            curves("What is pressed for", "step", "reward model's score, in standard deviations", rewards),
            Table(f"On {len(base.answers)} held-out prompts", columns, rows),
            Texts((("before", sample(base)), ("after", sample(after)))),
        ),
    )


def explain_cheat(result: Result, prediction: Answer) -> str:
    found = result.figures
    return (
        f"The score rose by {found['gain']:.2f} standard deviations, and of {found['n']:.0f} answers the share that "
        f"follows its instruction went from {percent(found['followed_before'])} to "
        f"{percent(found['followed_after'])}, while answers went from {found['words_before']:.1f} to "
        f"{found['words_after']:.1f} words. A score is a guess at what was wanted, and pressed hard it is paid with "
        "all that it cannot see: a price for distance, other rewards beside it, and new votes on the new answers hold "
        "against that."
    )


def cheat_holds(result: Result) -> bool:
    found = result.figures
    return bool(found["real"]) and found["followed_after"] < found["followed_before"]


STEPS = (
    Step(
        "reward-model",
        "Thirty votes",
        f"A reward model learns a score from votes: higher for the answer that was preferred. If you have given "
        f"{VOTES} votes in Label, they are yours; else a simulated annotator votes, who prefers what "
        f"{RULES[RULE].title}.\n\n"
        "Other votes, which it has not seen, tell how well it has learned.",
        Slider("In how many of these does it put the preferred answer first?", 0, 100, "%"),
        reward_model,
        explain_reward_model,
        lambda result: result.figures["low"] > 0.5,
        "held-out votes that a reward model of thirty votes ranks right, with n and interval",
        "Ouyang et al. 2022, arXiv:2203.02155, equation 1",
        trains=True,
        link=Link("Vote yourself in Label", "Label"),
    ),
    Step(
        "methods",
        "DPO, PPO, GRPO",
        "The same chat model learns the same taste in three ways, a few steps each. The gain is measured by the reward "
        "model on prompts from plays that no model has learned from, and the distance in nats a response.",
        Choice("Which of them gains the most?", tuple(TITLES.values())),
        methods,
        explain_methods,
        methods_hold,
        "score and KL of DPO, PPO and GRPO after a few steps, with n",
        "Rafailov et al. 2023, arXiv:2305.18290; Schulman et al. 2017, arXiv:1707.06347; Shao et al. 2024, "
        "arXiv:2402.03300",
        trains=True,
        link=Link("Train longer in Align", "Align"),
    ),
    Step(
        "cheat",
        "A policy that cheats",
        "Now the score is all that counts: more steps, longer ones, and no price for going far from the chat model.\n\n"
        "Each prompt also asks for something that nobody has voted on, such as to mention death, or to answer as "
        "Hamlet.",
        Choice("The score rises. What about the instruction in the prompt?", FOLLOWED),
        cheat,
        explain_cheat,
        cheat_holds,
        "score, instructions followed, length and KL of a policy that is pressed, with n and interval",
        "Gao, Schulman and Hilton 2022, Scaling laws for reward model overoptimization, arXiv:2210.10760",
        trains=True,
        link=Link("See how it is noticed in Align", "Align"),
    ),
)
LESSON = Lesson(
    "taste-as-reward",
    "Your taste as a reward",
    "Thirty votes become a reward model; DPO, PPO and GRPO learn from them; then a policy is caught cheating.",
    12,
    STEPS,
)
