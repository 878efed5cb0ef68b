"""Two models on the same held-out prompts with the same seeds: what each says, and which one wins. No gradio.

One comparison at a time, in a thread of this process: a reload of the page finds it again, with all answers so far.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from statistics import mean
from typing import Any

from core.checkpoint import Checkpoint
from core.classifier import SequenceClassifier
from core.config import describe_os_error
from core.datasets import shakespeare
from core.datasets.instructions import words
from core.datasets.prompts import held_out_prompts
from core.evaluation.instructions import replies
from core.evaluation.language_model import bits_per_byte
from core.evaluation.preferences import response_kl, reward_scores
from core.generate import Sampling
from core.model import GPT
from core.preferences.agreement import Rate, model_wins, rate, win_rate
from core.preferences.rule_annotators import Rule, prefer, rule_of
from core.preferences.vote_store import Votes
from playground.services.checkpoints import Checkpoints

log = logging.getLogger(__name__)
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


class Stopped(Exception):
    """The person does not want to wait for the end."""


class Comparison:
    """The latest comparison: how far it is, and what came out."""

    def __init__(self, checkpoints: Checkpoints, votes: Votes):
        self.checkpoints, self.votes = checkpoints, votes
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None
        self.stopping = threading.Event()
        self.number = 0  # of the comparison
        self.question: Question | None = None
        self.rows: list[Row] = []
        self.message, self.error = "", ""
        self.comparable = False  # have both the same vocabulary?
        self.kl: float | None = None
        self.bits: list[float] = []

    def start(self, question: Question) -> None:
        """Begin. Raises ValueError if another one is going on, or the question makes no sense."""
        question.check()
        with self.lock:
            if self.running:
                raise ValueError("another comparison is going on: stop it first, or wait until it ends")
            models = [self.checkpoints.load(name) for name in (question.before, question.after)]
            rater = self.rater(question, models)
            self.comparable = models[0].tokenizer.digest == models[1].tokenizer.digest
            self.stopping.clear()
            self.number, self.question, self.rows = self.number + 1, question, []
            self.message, self.error, self.kl, self.bits = "beginning", "", None, []
            self.thread = threading.Thread(
                target=self.run, args=(question, models, rater), daemon=True, name="comparison"
            )
            self.thread.start()

    def stop(self) -> None:
        self.stopping.set()

    @property
    def running(self) -> bool:
        return self.thread is not None and self.thread.is_alive()

    def rater(self, question: Question, models: list[Checkpoint[GPT]]) -> SequenceClassifier | None:
        """The reward model. Raises ValueError if it reads other tokens than the models write."""
        if not question.reward_model:
            return None
        rater = self.checkpoints.load_classifier(question.reward_model)
        if any(rater.tokenizer.digest != model.tokenizer.digest for model in models):
            raise ValueError(
                f"the reward model {question.reward_model} reads another vocabulary than the models write: "
                "choose another one, or none"
            )
        return rater.model

    # --- the work -----------------------------------------------------------------------------------------------

    def run(self, question: Question, models: list[Checkpoint[GPT]], rater: SequenceClassifier | None) -> None:
        try:
            self.answer(question, models, rater)
            self.measure(question, models)
            self.say("")
        except Stopped:
            self.message = "stopped"
        except ValueError as error:
            self.error = str(error)
        except OSError as error:
            self.error = describe_os_error(error)
        except Exception:
            log.exception("a comparison failed")
            self.error = "that went wrong; the terminal of the playground says more"

    def say(self, message: str) -> None:
        if self.stopping.is_set():
            raise Stopped
        self.message = message

    def answer(self, question: Question, models: list[Checkpoint[GPT]], rater: SequenceClassifier | None) -> None:
        """Both models answer every prompt; answer number i of either is drawn with the seed + i."""
        self.say("reading the held-out plays")
        rule = rule_of(question.rule) if question.rule else None
        prompts = held_out_prompts(question.count)
        writers = [self.checkpoints.writer(name, "float32") for name in (question.before, question.after)]
        for first in range(0, len(prompts), AT_ONCE):
            self.say(f"answered {first} of {len(prompts)} prompts")
            some = prompts[first : first + AT_ONCE]
            sampling = Sampling(
                max_new_tokens=MOST_TOKENS, temperature=question.temperature, seed=question.seed + first
            )
            both = [[text.strip() for text in replies(*writer, some, sampling)] for writer in writers]
            rows = [Row(*texts) for texts in zip(some, *both, strict=True)]
            judge(rows, rule, rater, models[0])
            self.rows += rows

    def measure(self, question: Question, models: list[Checkpoint[GPT]]) -> None:
        before, after = models
        if self.comparable:
            self.say("measuring how far the model has moved")
            prompts = [row.prompt for row in self.rows[:KL_PROMPTS]]
            self.kl = response_kl(after.model, before.model, after.tokenizer, prompts, question.seed)
        if question.with_bits:
            plays = shakespeare.load(CORPUS)
            for model, which in zip(models, ("before", "after"), strict=True):
                self.say(f"measuring bits per byte {which}")
                self.bits.append(bits_per_byte(model, plays))

    # --- what came out ------------------------------------------------------------------------------------------

    def status(self, number: int, since: int) -> dict[str, Any]:
        """How far it is, and the rows from number `since` on of those of the comparison `number`; all of another's."""
        question, rows = self.question, list(self.rows)
        if question is None:
            return {"number": 0, "running": False}
        known = since if number == self.number else 0
        return {
            "number": self.number,
            "running": self.running,
            "message": self.message,
            "error": self.error,
            "total": question.count,
            "before": question.before,
            "after": question.after,
            "first": known,
            "rows": [asdict(row) for row in rows[known:]],
            "rates": self.rates(question, rows),
            "table": self.table(question, rows),
        }

    def rates(self, question: Question, rows: list[Row]) -> list[dict[str, Any]]:
        """How often the later model wins, by each judge, with 95 % intervals."""
        found = []
        if question.rule:
            rule = rule_of(question.rule)
            found.append(described(f"By the rule: it {rule.title}", wins(rows, "rule"), "answers", rule.about))
        if question.reward_model:
            said = "Whose answer gets the higher score."
            found.append(described(f"By {question.reward_model}", wins(rows, "reward model"), "answers", said))
        voted = model_wins(self.votes.standing(source="compare"), question.after, question.before)
        said = "Votes without knowing who wrote which answer; ties count half."
        if not voted.count:
            said = "Nobody has voted blindly between these two yet: do so below."
        return [*found, described("By blind votes", voted, "votes", said)]

    def table(self, question: Question, rows: list[Row]) -> list[list[str]]:
        """[what, before, after]: measurements of all answers so far."""
        if not rows:
            return []
        sides = [[row.before for row in rows], [row.after for row in rows]]

        def measured(name: str, measure: Callable[[str], float], form: str) -> list[str]:
            return [name, *(form.format(mean(map(measure, texts))) for texts in sides)]

        found = [measured("mean length (words)", lambda text: len(words(text)), "{:.1f}")]
        if question.rule:
            rule = rule_of(question.rule)
            shares = [rate(sum(map(rule.holds, texts)), len(texts)) for texts in sides]
            found.append([f"answers of which one {rule.title}", *(with_interval(share) for share in shares)])
        if question.reward_model:
            found.append(["mean reward score", *(f"{mean(row.scores[i] for row in rows):+.2f}" for i in (0, 1))])
        if self.comparable and (self.kl is not None or self.running):
            moved = PENDING if self.kl is None else f"{self.kl:.1f}"
            found.append(["KL from the model before (nats a response)", "0", moved])
        if self.bits or (question.with_bits and self.running):
            bits = [f"{bits:.3f}" for bits in self.bits]
            found.append(["bits per byte on held-out plays", *bits, *[PENDING] * (2 - len(bits))])
        return found


def judge(rows: list[Row], rule: Rule | None, rater: SequenceClassifier | None, model: Checkpoint[GPT]) -> None:
    """Write into each row who wins by the rule and by the reward model."""
    if rule:
        for row in rows:
            row.verdicts["rule"] = OUTCOMES[prefer(rule, row.before, row.after)]
    if rater:
        prompts = [row.prompt for row in rows]
        both = [reward_scores(rater, model.tokenizer, prompts, [getattr(r, side) for r in rows]) for side in SIDES]
        for row, before, after in zip(rows, *both, strict=True):
            row.scores = [before, after]
            same = row.before == row.after  # equal texts may differ in the last digit
            row.verdicts["reward model"] = "tie" if same else "after" if after > before else "before"


def wins(rows: list[Row], judged_by: str) -> Rate:
    outcomes = [row.verdicts[judged_by] for row in rows]
    return win_rate(outcomes.count("after"), outcomes.count("before"), outcomes.count("tie"))


def described(name: str, found: Rate, of: str, sentence: str) -> dict[str, Any]:
    return {"name": name, "of": of, "sentence": sentence} | asdict(found)


def with_interval(share: Rate) -> str:
    assert share.share is not None
    return f"{100 * share.share:.0f} % ({100 * share.low:.0f} to {100 * share.high:.0f} %)"
