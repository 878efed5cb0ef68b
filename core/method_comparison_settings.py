"""What a comparison is told: of methods (core/method_comparison.py), or of reward models (core/goodhart.py)."""

from dataclasses import dataclass

from core.config import Config, setting
from core.preferences.rule_annotators import RULES, rule_of
from core.roots import shipped

COMPARE, GOODHART = "methods", "goodhart"  # what is compared
FEWEST_VOTES, MOST_VOTES = 20, 5000
MOST_MODELS = 6  # reward models that are compared


@dataclass(frozen=True)
class ComparisonConfig(Config):
    """What every comparison is told."""

    parent: str = setting(shipped("bard-chat"), "The model that all methods begin with", refers="checkpoint")
    rule: str = setting(
        "question", "What answers are rewarded for: all methods get the same rule", choices=tuple(RULES)
    )
    length: float = setting(
        1.0, "Steps of each training, as a multiple of its stage's own recipe", low=0.01, high=10.0, title="Length"
    )
    prompts: int = setting(100, "Held-out prompts on which each point is measured", low=20, high=500)
    samples: int = setting(16, "Answers of the parent to each of them, for best-of-n", low=2, high=64)
    seed: int = setting(0, "The same seed gives the same votes and answers", low=0, high=2**31)
    device: str = setting("auto", "Where to compute; auto takes the fastest", choices=("auto", "cuda", "mps", "cpu"))


@dataclass(frozen=True)
class MethodsConfig(ComparisonConfig):
    """A comparison of methods, and how thorough it is."""

    votes: int = setting(
        200, "Votes of the rule, from which DPO and PPO's reward model learn", low=FEWEST_VOTES, high=MOST_VOTES
    )


@dataclass(frozen=True)
class GoodhartConfig(ComparisonConfig):
    """A comparison of reward models that learned from few votes and from many, and how thorough it is."""

    rule: str = setting(
        "dozen", "Whose votes the reward models learn from; it has to say how good an answer is", choices=tuple(RULES)
    )
    votes: str = setting(
        "20, 60, 200", "From how many votes of the rule each reward model learns, with commas between them"
    )
    prompts: int = setting(64, "Held-out prompts on which each point is measured", low=20, high=500)
    samples: int = setting(32, "Answers of the parent to each of them, for best-of-n", low=2, high=64)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not rule_of(self.rule).unit:
            known = ", ".join(name for name, rule in RULES.items() if rule.unit)
            raise ValueError(
                f"the rule {self.rule} only says yes or no, so it cannot tell which of two answers that it likes is "
                f"the better one: choose a rule that counts, one of {known}"
            )
        self.counts  # noqa: B018  raises ValueError

    @property
    def counts(self) -> list[int]:
        """The numbers of votes, the least first. Raises ValueError if they are none, too many, or out of range."""
        try:
            found = sorted({int(text) for text in self.votes.split(",")})
        except ValueError:
            found = []
        if not 0 < len(found) <= MOST_MODELS or found[0] < FEWEST_VOTES or found[-1] > MOST_VOTES:
            raise ValueError(
                f"votes must be at most {MOST_MODELS} numbers from {FEWEST_VOTES} to {MOST_VOTES:,} with commas "
                f"between them, such as 20, 60, 200, got {self.votes.strip()!r:.60}"
            )
        return found


CONFIGS: dict[str, type[ComparisonConfig]] = {COMPARE: MethodsConfig, GOODHART: GoodhartConfig}
