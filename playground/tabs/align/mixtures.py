"""The dial: a model mixed with its parent answers at once, is measured, and can be kept. No gradio."""

from dataclasses import replace
from typing import Any

from core.checkpoint import read_card
from core.conversation import Conversation, Message
from core.datasets.prompts import held_out_prompts
from core.generate import Sampling
from core.preferences.vote_store import Votes
from core.rlhf.steering import FEWEST_VOTES, SteeringVectors, steering_vectors
from core.task_arithmetic import AMOUNTS, STRENGTHS, Mixture, describe, evaluator, keep, sweep
from core.training.run_directory import check_name
from playground.services.answer_stream import AnswerStream, GenerationRequest
from playground.services.background_task import BackgroundTask
from playground.services.checkpoints import Checkpoints, answers, get_or_make

SHOWN_PROMPTS = 12  # held-out ones, that are offered
LONGEST = 4000  # characters of a prompt of one's own
MOST_TOKENS = 80  # of an answer
DIAL, STEERING = "dial", "steering"  # what is varied in a picture of score against KL


class Mixtures:
    """Models mixed in memory, for one page: answers in the background, and one picture at a time."""

    def __init__(self, checkpoints: Checkpoints, votes: Votes):
        self.checkpoints, self.votes = checkpoints, votes
        self.answers = AnswerStream(checkpoints)
        self.made: dict[Any, SteeringVectors] = {}
        refusal = "another picture is being measured: stop it first, or wait until it ends"
        self.task = BackgroundTask("dial", refusal, points=[], total=0, of="")

    def about(self, name: str) -> dict[str, Any]:
        """What can be done with the model called `name` and its parent. Raises ValueError in words if nothing can."""
        if not name:
            raise ValueError("choose a model that was made from another one")
        family = self.checkpoints.family([name])
        config = family.parent.model.config
        decided = sum(not pair.tie for pair in self.votes.preferences())
        return {
            "child": name,
            "parent": family.name,
            "siblings": self.siblings(name, family.name),
            "layers": config.n_layer,
            "votes": decided,
            "can_steer": decided >= FEWEST_VOTES,
            "prompts": held_out_prompts(SHOWN_PROMPTS),
        }

    def siblings(self, name: str, parent: str) -> list[str]:
        """Other models that answer and say that they have this parent; whether they fit is seen when one is chosen."""
        others = (other for other in self.checkpoints.chat_names() if other not in (name, parent))
        return [other for other in others if read_card(self.checkpoints.path(other) / "card.json").parent == parent]

    def steering(self, mixture: Mixture) -> SteeringVectors | None:
        """Of all votes so far, where the mixture asks for it. Raises ValueError in words if they are too few."""
        if not mixture.strength:
            return None
        votes = self.votes.preferences()
        family = self.checkpoints.family([name for name, _ in mixture.amounts])
        key = (family.name, family.digest, hash(tuple(votes)))
        return get_or_make(
            self.made, key, lambda: steering_vectors(family.parent.model, family.parent.tokenizer, votes)
        )

    def begin(self, mixture: Mixture, prompt: str, seed: int) -> str:
        """Let the mixed model answer; the name of its answer. Raises ValueError in words if it cannot."""
        child = mixture.amounts[0][0]
        asked = Conversation((Message("user", prompt[:LONGEST]),), answers=answers(self.checkpoints.path(child)))
        sampling = Sampling(max_new_tokens=MOST_TOKENS, seed=seed)
        steering = self.steering(mixture)
        return self.answers.begin(GenerationRequest(child, asked, sampling, mixture=mixture, steering=steering))

    # --- the picture --------------------------------------------------------------------------------------------

    def measure(self, at: Mixture, varied: str, rule: str) -> None:
        """Begin a picture of score against KL over the first child's amount, or the steering vector's strength."""
        self.task.refuse_if_running()
        (first, _), *others = at.amounts
        if varied == STEERING:
            wanted = [(strength, replace(at, strength=strength)) for strength in STRENGTHS]
        else:
            wanted = [(a, replace(at, amounts=((first, a), *others))) for a in AMOUNTS]
        steering = self.steering(wanted[-1][1])
        family = self.checkpoints.family([name for name, _ in at.amounts])
        measure = evaluator(family, rule)

        def work() -> str:
            points: list[dict[str, Any]] = []
            mixtures = [mixture for _, mixture in wanted]
            for (place, _), (_, measured) in zip(wanted, sweep(family, mixtures, measure, steering), strict=True):
                points = [*points, {"at": place, **{name: list(value) for name, value in measured._asdict().items()}}]
                self.task.report("", points=points)
            return ""

        details = {"points": [], "total": len(wanted), "of": varied, "prompts": len(measure.prompts), "rule": rule}
        self.task.start(work, "", **details)

    # --- keeping ------------------------------------------------------------------------------------------------

    def keep(self, mixture: Mixture, name: str) -> str:
        """Make a checkpoint; what it is, in words. Raises ValueError if the name is unfit or taken."""
        family = self.checkpoints.family([child for child, _ in mixture.amounts])
        check_name(name)
        self.checkpoints.roots.refuse_taken(name)
        keep(self.checkpoints.directory / name, family, mixture, self.steering(mixture))
        return describe(mixture, family)
