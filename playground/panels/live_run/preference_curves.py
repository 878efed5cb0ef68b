"""The panels of what is learned from votes: the metrics of core/stages/reward_model.py, dpo.py and ppo.py."""

from playground.panels.live_run.chart import About, Curve, Panel, share, single
from playground.ui.palette import BLUE, GREEN, ORANGE, PURPLE

PREFERENCES = (
    Panel(
        "kl",
        "KL (nats a response)",
        (
            Curve("objective/kl", "rollouts", BLUE, markers=True),
            Curve("kl/val", "held-out prompts", ORANGE, markers=True),
        ),
        tickformat="~g",
        about=About(
            "KL", "how far the model has moved from where it began, in nats a response; at 0 it is the same model."
        ),
        of=("dpo", "ppo"),
    ),
    Panel(
        "scores",
        "score",
        (
            Curve("objective/scores", "reward model", BLUE, markers=True),
            Curve("objective/rlhf_reward", "less the price of KL", GREEN, markers=True),
            Curve("score/val", "held-out prompts", ORANGE, markers=True),
        ),
        zero=False,
        tickformat="~g",
        about=About(
            "Score",
            "what the reward model gives the answers, where 0 is the parent's mean and 1 its spread; "
            "what is left after the price of moving is what PPO makes larger.",
        ),
        of=("ppo",),
    ),
    Panel(
        "rewards",
        "reward",
        (
            Curve("rewards/chosen", "preferred answers", BLUE, smooth=True),
            Curve("rewards/rejected", "rejected answers", ORANGE, smooth=True),
        ),
        zero=False,
        tickformat="~g",
        about=About(
            "Reward", "what the answers of the votes are worth to the model; only the distance between the two counts."
        ),
    ),
    Panel(
        "margin",
        "margin",
        (
            Curve("rewards/margins", "training", BLUE, smooth=True),
            Curve("margin/val", "held-out votes", ORANGE, markers=True),
        ),
        zero=False,
        tickformat="~g",
        about=About(
            "Margin", "by how much the preferred answer is ahead of the rejected one; at 0 the model has no taste."
        ),
    ),
    Panel(
        "logps",
        "log-probability (nats)",
        (
            Curve("logps/chosen", "preferred answers", BLUE, smooth=True),
            Curve("logps/rejected", "rejected answers", ORANGE, smooth=True),
        ),
        zero=False,
        tickformat="~g",
        about=About(
            "Log-probability", "how likely the model finds the answers of the votes; both may fall while they part."
        ),
    ),
    single(
        "calibration/val",
        "calibration error",
        "held-out votes",
        ORANGE,
        True,
        About(
            "Calibration error",
            "how far the model's certainty is from how often it is right; 0 is honest about doubts.",
        ),
        of=("reward",),
    ),
    single(
        "objective/entropy",
        "entropy (nats a response)",
        "rollouts",
        PURPLE,
        True,
        About("Entropy", "how open it still is what the model says; near 0 it always says the same."),
        of=("ppo",),
    ),
    single(
        "val/length",
        "length (tokens)",
        "rollouts",
        GREEN,
        True,
        About("Length", "tokens in an answer; a reward model may be pleased by length alone."),
        of=("ppo",),
    ),
    share(
        "val/repetition",
        "repetition",
        ORANGE,
        about=About("Repetition", "share of three-token sequences that were said before, in this answer or another."),
        of=("ppo",),
    ),
    share(
        "val/eos",
        "ended by itself",
        BLUE,
        about=About("Ended by itself", "share of the answers that came to their end."),
        of=("ppo",),
    ),
    single(
        "objective/kl_coef",
        "price of KL",
        "price",
        GREEN,
        True,
        About("Price of KL", "what a nat of movement costs; it rises when the model is farther away than kl_target."),
        of=("ppo",),
    ),
    Panel(
        "ppo_loss",
        "loss (mean a token)",
        (
            Curve("loss/policy", "policy", BLUE, smooth=True),
            Curve("loss/value", "value head", ORANGE, smooth=True),
        ),
        zero=False,
        tickformat="~g",
        about=About(
            "Losses of PPO", "that of the value head falls as it learns to foresee scores; the policy's need not."
        ),
    ),
    single(
        "policy/clipfrac",
        "clipped (share)",
        "clipped",
        PURPLE,
        False,
        About("Clipped", "share of the tokens whose probability had changed as much as one iteration allows."),
    ),
    single(
        "policy/approxkl",
        "KL of an iteration (nats a token)",
        "since the rollouts",
        PURPLE,
        False,
        About("KL of an iteration", "how far the model has moved since it wrote the answers it learns from."),
    ),
    single(
        "val/ratio",
        "ratio",
        "new to old probability",
        GREEN,
        False,
        About("Ratio", "a token's probability now, by what it was when it was written; 1 means no change."),
    ),
)
