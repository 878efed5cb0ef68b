"""Two models on the same held-out prompts with the same seeds: what each says, and which one wins."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import mean
from typing import Any

from core.checkpoint import Checkpoint
from core.classifier import SequenceClassifier
from core.datasets import shakespeare
from core.datasets.instructions import words
from core.datasets.preference_files import prompt_messages
from core.datasets.prompts import held_out_prompts
from core.evaluation.instructions import replies
from core.evaluation.language_model import bits_per_byte
from core.evaluation.preferences import response_kl, reward_scores
from core.generate import Sampling
from core.model import GPT
from core.preferences.agreement import Rate, model_wins, rate, win_rate
from core.preferences.rule_annotators import Rule, prefer, rule_of
from core.preferences.vote_store import Votes
from playground.services.background_task import BackgroundTask
from playground.services.checkpoints import Checkpoints

AT_ONCE = 16  # prompts, answered by both before the next ones are begun: so that there is something to read soon
KL_PROMPTS = 32
MOST_PROMPTS = 500
MOST_TOKENS = 80  # of an answer
CORPUS = "shakespeare"  # whose held-out plays neither model has learned from
SIDES = ("before", "after")
PENDING = "…"
OUTCOMES = {"left": "before", "right": "after", "tie": "tie"}


@dataclass(frozen=True)
class Question:
    """What is compared, and by whom it is judged."""

    before: str
    after: str
    rule: str = ""  # "": by none
    reward_model: str = ""
    count: int = 50  # prompts
    temperature: float = 0.8
    seed: int = 0
    with_bits: bool = False  # also measure bits per byte, which takes a while

    def check(self) -> None:
        if not self.before or not self.after:
            raise ValueError("choose two models that answer: one from before and one from after")
        if self.before == self.after:
            raise ValueError("choose two different models: this one would be compared with itself")
        if not 1 <= self.count <= MOST_PROMPTS:
            raise ValueError(f"prompts must be between 1 and {MOST_PROMPTS}, got {self.count}")


@dataclass
class Row:
    """A prompt, what both say, and who wins: "before", "after" or "tie", by each judge."""

    prompt: str
    before: str
    after: str
    verdicts: dict[str, str] = field(default_factory=dict)
    scores: list[float] = field(default_factory=list)  # of the reward model, if there is one


@dataclass(frozen=True)
class Result:
    """What a comparison has found so far."""

    question: Question
    comparable: bool  # have both the same vocabulary?
    rows: tuple[Row, ...] = ()
    kl: float | None = None
    bits: tuple[float, ...] = ()


class Comparison:
    """One comparison at a time; the latest is remembered, with all answers so far."""

    def __init__(self, checkpoints: Checkpoints, votes: Votes):
        self.checkpoints, self.votes = checkpoints, votes
        refusal = "another comparison is going on: stop it first, or wait until it ends"
        self.task = BackgroundTask("comparison", refusal, result=None)

    def start(self, question: Question) -> None:
        """Begin. Raises ValueError if another one is going on, or the question makes no sense."""
        question.check()
        self.task.refuse_if_running()
        models = [self.checkpoints.load(name) for name in (question.before, question.after)]
        reward_model = self.load_reward_model(question, models)
        result = Result(question, models[0].tokenizer.digest == models[1].tokenizer.digest)
        self.task.start(lambda: self.compare(result, models, reward_model), "beginning", result=result)

    def stop(self) -> None:
        self.task.stop()

    def load_reward_model(self, question: Question, models: list[Checkpoint[GPT]]) -> SequenceClassifier | None:
        """Raises ValueError if it reads other tokens than the models write."""
        if not question.reward_model:
            return None
        loaded = self.checkpoints.load_classifier(question.reward_model)
        if any(loaded.tokenizer.digest != model.tokenizer.digest for model in models):
            raise ValueError(
                f"the reward model {question.reward_model} reads another vocabulary than the models write: "
                "choose another one, or none"
            )
        return loaded.model

    # --- the work -----------------------------------------------------------------------------------------------

    def compare(self, result: Result, models: list[Checkpoint[GPT]], reward_model: SequenceClassifier | None) -> str:
        answered = self.answer(result, models, reward_model)
        self.measure(answered, models)
        self.task.report("")
        return ""

    def answer(self, result: Result, models: list[Checkpoint[GPT]], reward_model: SequenceClassifier | None) -> Result:
        """Both models answer every prompt; answer number i of either is drawn with the seed + i."""
        question = result.question
        self.task.report("reading the held-out plays")
        rule = rule_of(question.rule) if question.rule else None
        prompts = held_out_prompts(question.count)
        writers = [self.checkpoints.writer(name, "float32") for name in (question.before, question.after)]
        for first in range(0, len(prompts), AT_ONCE):
            self.task.report("")  # how many are answered is seen
            some = prompts[first : first + AT_ONCE]
            sampling = Sampling(
                max_new_tokens=MOST_TOKENS, temperature=question.temperature, seed=question.seed + first
            )
            both = [[text.strip() for text in replies(*writer, some, sampling)] for writer in writers]
            rows = [Row(*texts) for texts in zip(some, *both, strict=True)]
            judge(rows, rule, reward_model, models[0])
            result = replace(result, rows=(*result.rows, *rows))
            self.task.update(result=result)
        return result

    def measure(self, result: Result, models: list[Checkpoint[GPT]]) -> None:
        """How far the models are apart, and what either has forgotten."""
        before, after = models
        if result.comparable:
            self.task.report("measuring how far the model has moved")
            prompts = [prompt_messages(row.prompt) for row in result.rows[:KL_PROMPTS]]
            kl = response_kl(after.model, before.model, after.tokenizer, prompts, result.question.seed)
            result = replace(result, kl=kl)
            self.task.update(result=result)
        if result.question.with_bits:
            plays = shakespeare.load(CORPUS)
            for model, side in zip(models, SIDES, strict=True):
                self.task.report(f"measuring bits per byte {side}")
                result = replace(result, bits=(*result.bits, bits_per_byte(model, plays)))
                self.task.update(result=result)

    # --- what came out ------------------------------------------------------------------------------------------

    def status(self, number: int, since: int) -> dict[str, Any]:
        """How far it is, and the rows from number `since` on of those of the comparison `number`; all of another's."""
        status = self.task.status()
        result: Result | None = status["result"]
        if result is None:
            return {"number": 0, "running": False}
        known = since if number == status["number"] else 0
        return {
            **{key: status[key] for key in ("number", "state", "running", "message", "error")},
            "total": result.question.count,
            "before": result.question.before,
            "after": result.question.after,
            "first": known,
            "rows": [asdict(row) for row in result.rows[known:]],
            "rates": self.rates(result),
            "table": measurements(result, status["running"]),
        }

    def rates(self, result: Result) -> list[dict[str, Any]]:
        """How often the later model wins, by each judge, with 95 % intervals."""
        question, found = result.question, []
        if question.rule:
            rule = rule_of(question.rule)
            by_rule = wins(result.rows, "rule")
            found.append(describe_rate(f"By the rule: it {rule.title}", by_rule, "answers", rule.about))
        if question.reward_model:
            by_reward, sentence = wins(result.rows, "reward model"), "Whose answer gets the higher score."
            found.append(describe_rate(f"By {question.reward_model}", by_reward, "answers", sentence))
        by_votes = model_wins(self.votes.standing(source="compare"), question.after, question.before)
        sentence = "Votes without knowing who wrote which answer; ties count half."
        if not by_votes.count:
            sentence = "Nobody has voted blindly between these two yet: do so below."
        return [*found, describe_rate("By blind votes", by_votes, "votes", sentence)]


def measurements(result: Result, running: bool) -> list[list[str]]:
    """[what, before, after]: measurements of all answers so far."""
    question, rows = result.question, result.rows
    if not rows:
        return []
    sides = [[row.before for row in rows], [row.after for row in rows]]
    lengths = [f"{mean(len(words(text)) for text in texts):.1f}" for texts in sides]
    found = [["mean length (words)", *lengths]]
    if question.rule:
        rule = rule_of(question.rule)
        shares = [rate(sum(map(rule.holds, texts)), len(texts)) for texts in sides]
        found.append([f"share of answers: {rule.title}", *(with_interval(share) for share in shares)])
    if question.reward_model:
        found.append(["mean reward score", *(f"{mean(row.scores[i] for row in rows):+.2f}" for i in (0, 1))])
    if result.comparable and (result.kl is not None or running):
        kl = PENDING if result.kl is None else f"{result.kl:.1f}"
        found.append(["KL from the model before (nats a response)", "0", kl])
    if result.bits or (question.with_bits and running):
        bits = [f"{bits:.3f}" for bits in result.bits]
        found.append(["bits per byte on held-out plays", *bits, *[PENDING] * (2 - len(bits))])
    return found


def judge(
    rows: Sequence[Row], rule: Rule | None, reward_model: SequenceClassifier | None, model: Checkpoint[GPT]
) -> None:
    """Write into each row who wins by the rule and by the reward model."""
    if rule:
        for row in rows:
            row.verdicts["rule"] = OUTCOMES[prefer(rule, row.before, row.after)]
    if reward_model:
        prompts = [row.prompt for row in rows]
        both = [
            reward_scores(reward_model, model.tokenizer, prompts, [getattr(r, side) for r in rows]) for side in SIDES
        ]
        for row, before, after in zip(rows, *both, strict=True):
            row.scores = [before, after]
            same = row.before == row.after  # equal texts may differ in the last digit
            row.verdicts["reward model"] = "tie" if same else "after" if after > before else "before"


def wins(rows: Sequence[Row], judged_by: str) -> Rate:
    outcomes = [row.verdicts[judged_by] for row in rows]
    return win_rate(outcomes.count("after"), outcomes.count("before"), outcomes.count("tie"))


def describe_rate(name: str, found: Rate, of: str, sentence: str) -> dict[str, Any]:
    return {"name": name, "of": of, "sentence": sentence} | asdict(found)


def with_interval(share: Rate) -> str:
    assert share.share is not None
    return f"{100 * share.share:.0f} % ({100 * share.low:.0f} to {100 * share.high:.0f} %)"
