"""The metrics that several stages log, declared once: what every training measures, and the usual ones of RLHF."""

from collections.abc import Sequence

from core.preferences.reward_terms import REWARDS as KNOWN_REWARDS
from core.stages.base import HELD_OUT, ROLLOUTS, About, Metric, Stage

# --- what every training measures -----------------------------------------------------------------------------

LOSS = (
    Metric("loss/train", "loss", curve="training", panel="loss"),
    Metric("loss/val", "loss", "", HELD_OUT, "validation loss (nats)", "validation", "loss"),
)
LOOP = (
    Metric(
        "lr",
        "learning rate",
        about=About("Learning rate", "how large a step is; it grows in the warm-up and shrinks to the end."),
    ),
    Metric(
        "grad_norm",
        "gradient norm",
        about=About(
            "Gradient norm", "how strongly a batch pulls at the weights; what is above the line is cut down to it."
        ),
    ),
    Metric(
        "tokens_per_second",
        "tokens per second",
        panel="speed",
        about=About("Tokens per second", "how fast it learns; where answers are written first, that time counts."),
    ),
    Metric(
        "memory/peak",
        "peak memory",
        "MiB",
        panel="memory",
        about=About("Peak memory", "the most that the training has needed so far."),
    ),
    Metric("mfu", "MFU", "share of peak"),
)
WAIT = Metric("data_wait", "waiting for data", "share")


def measured(stage: Stage | None) -> tuple[Metric, ...]:
    """All that a run logs, in the order in which it is drawn; of an unknown stage what every training measures."""
    own: Sequence[Metric] = stage.metrics if stage else ()
    early, late = ([metric for metric in own if metric.late == last] for last in (False, True))
    return (*LOSS, *early, *LOOP, *late, WAIT)


# --- of what is learned from votes, or bends a policy ---------------------------------------------------------

KL_ABOUT = About(
    "KL", "how far the model has moved from where it began, in nats a response; at 0 it is the same model."
)
KL_ROLLOUTS = Metric("objective/kl", "KL", "nats a response", ROLLOUTS, curve="rollouts", panel="kl", about=KL_ABOUT)
KL_HELD_OUT = Metric(
    "kl/val",
    "KL",
    "nats a response",
    HELD_OUT,
    "KL from the parent (nats a response)",
    "held-out prompts",
    "kl",
    KL_ABOUT,
)
REWARDS = (
    Metric(
        "rewards/chosen",
        "reward",
        curve="preferred answers",
        panel="rewards",
        about=About(
            "Reward", "what the answers of the votes are worth to the model; only the distance between the two counts."
        ),
    ),
    Metric("rewards/rejected", "reward", curve="rejected answers", panel="rewards"),
)
MARGIN = (
    Metric(
        "rewards/margins",
        "margin",
        curve="training",
        panel="margin",
        about=About(
            "Margin", "by how much the preferred answer is ahead of the rejected one; at 0 the model has no taste."
        ),
    ),
    Metric("margin/val", "margin", "", HELD_OUT, "margin on held-out votes", "held-out votes", "margin"),
)
# Votes on one prompt are alike, and so are the texts of one play.
HELD_OUT_CASES = ("n/prompts", "n/texts", "n/plays")
ACCURACY = (
    Metric(
        "rewards/accuracies",
        "accuracy",
        "share",
        curve="training",
        panel="accuracy",
        about=About("Accuracy", "how often the answer that was preferred gets the higher reward; one half is chance."),
        late=True,
    ),
    Metric(
        "accuracy/val",
        "accuracy",
        "share",
        HELD_OUT,
        "held-out accuracy",
        "",
        "accuracy",
        late=True,
        counted=HELD_OUT_CASES,
    ),
)

# --- of answers that the model writes while it learns: TRL's names ---------------------------------------------

REPETITION = Metric(
    "val/repetition",
    "repetition",
    "share",
    ROLLOUTS,
    about=About("Repetition", "share of three-token sequences that were said before, in this answer or another."),
)
ROLLOUT_METRICS = (
    Metric(
        "objective/scores",
        "score",
        role=ROLLOUTS,
        curve="reward model",
        panel="scores",
        about=About(
            "Score",
            "what the reward model gives the answers, where 0 is the parent's mean and 1 its spread; "
            "what is left after the price of moving is what PPO makes larger.",
        ),
    ),
    Metric("objective/rlhf_reward", "score", "", ROLLOUTS, "", "less the price of KL", "scores"),
    Metric("score/val", "score", "", HELD_OUT, "mean reward on held-out prompts", "held-out prompts", "scores"),
    Metric(
        "objective/entropy",
        "entropy",
        "nats a response",
        ROLLOUTS,
        curve="rollouts",
        about=About("Entropy", "how open it still is what the model says; near 0 it always says the same."),
    ),
    Metric(
        "val/length",
        "length",
        "tokens",
        ROLLOUTS,
        curve="rollouts",
        about=About("Length", "tokens in an answer; a reward model may be pleased by length alone."),
    ),
    REPETITION,
    Metric(
        "val/eos",
        "ended by itself",
        "share",
        ROLLOUTS,
        about=About("Ended by itself", "share of the answers that came to their end."),
    ),
    Metric(
        "objective/kl_coef",
        "price of KL",
        role=ROLLOUTS,
        curve="price",
        about=About(
            "Price of KL", "what a nat of movement costs; it rises when the model is farther away than kl_target."
        ),
    ),
)
POLICY_LOSSES = (
    Metric(
        "loss/policy",
        "loss",
        "mean a token",
        curve="policy",
        panel="ppo_loss",
        about=About(
            "Losses of PPO", "that of the value head falls as it learns to predict scores; the policy's need not."
        ),
    ),
    Metric("loss/value", "loss", "mean a token", curve="value head", panel="ppo_loss"),
    Metric(
        "policy/clipfrac",
        "clipped",
        "share",
        about=About("Clipped", "share of the tokens whose probability had changed as much as one iteration allows."),
    ),
    Metric(
        "policy/approxkl",
        "KL of an iteration",
        "nats a token",
        curve="since the rollouts",
        about=About("KL of an iteration", "how far the model has moved since it wrote the answers it learns from."),
    ),
    Metric(
        "val/ratio",
        "ratio",
        curve="new to old probability",
        about=About("Ratio", "a token's probability now, by what it was when it was written; 1 means no change."),
    ),
)

# --- of groups of answers to one prompt: TRL's names ---------------------------------------------------------------

GROUP_METRICS = (
    Metric(
        "reward",
        "reward",
        role=ROLLOUTS,
        curve="answers",
        panel="scores",
        about=About("Reward", "what the answers are worth in all, on average: what GRPO makes larger."),
    ),
    Metric("reward/val", "reward", "", HELD_OUT, "mean reward on held-out prompts", "held-out prompts", "scores"),
    *(
        Metric(
            f"rewards/{name}/mean",
            "reward by part",
            role=ROLLOUTS,
            curve=name,
            panel="reward_parts",
            about=About("Reward by part", "what each of the rewards gives on average, before it is weighted."),
        )
        for name in KNOWN_REWARDS
    ),
    Metric(
        "reward_std",
        "spread of the reward",
        role=ROLLOUTS,
        curve="in all",
        panel="reward_spread",
        about=About(
            "Spread of the reward", "its standard deviation over all answers; where there is none, nothing is learned."
        ),
    ),
    *(
        Metric(f"rewards/{name}/std", "spread of the reward", role=ROLLOUTS, curve=name, panel="reward_spread")
        for name in KNOWN_REWARDS
    ),
    Metric(
        "frac_reward_zero_std",
        "groups all alike",
        "share",
        ROLLOUTS,
        about=About(
            "Groups all alike", "share of the prompts whose answers all scored the same: from them nothing is learned."
        ),
    ),
    Metric(
        "completions/mean_length",
        "length",
        "tokens",
        ROLLOUTS,
        about=About("Length", "tokens in an answer; where it runs away, the reward pays for it somewhere."),
    ),
    Metric(
        "completions/clipped_ratio",
        "cut off",
        "share",
        ROLLOUTS,
        about=About("Cut off", "share of the answers that did not come to their end in time."),
    ),
    REPETITION,
    Metric(
        "entropy",
        "entropy",
        "nats a token",
        about=About("Entropy", "how open it still is what comes next; near 0 all answers of a group are the same."),
    ),
    Metric(
        "kl",
        "KL of a token",
        "nats a token",
        panel="token_kl",
        about=About("KL of a token", "how unlike its parent the model is at each token: what the KL penalty is for."),
    ),
    Metric(
        "clip_ratio/low_mean",
        "clipped",
        "share",
        curve="could not fall further",
        panel="clip_ratio",
        about=About("Clipped", "share of the tokens whose probability had changed as much as one iteration allows."),
    ),
    Metric("clip_ratio/high_mean", "clipped", "share", curve="could not rise further", panel="clip_ratio"),
    Metric("clip_ratio/region_mean", "clipped", "share", curve="either", panel="clip_ratio"),
)
