"""Lesson 6, accumulation: eight small gradients that amount to one, and two classic mistakes that look like it."""

import torch

from core.checkpoint import Checkpoint
from core.diagnostics.answer_changes import percent
from core.lessons import accumulation as measuring
from core.lessons.accumulation import BATCH, MEAN_OF_MEANS, MICRO_BATCH, NOT_DIVIDED, RIGHT, Comparison
from core.model import GPT
from core.training.finetuning import load_with_turns
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
)
from playground.tabs.learn.measuring import small_model

PARTS = BATCH // MICRO_BATCH
AGREES = 1e-3  # relative difference up to which two gradients are the same but for rounding
WAYS = {
    RIGHT: "losses summed, divided by all targets",
    MEAN_OF_MEANS: "mean of the means",
    NOT_DIVIDED: "means summed, not divided",
}
AGREEING = (
    "only the first: losses summed, divided by all targets",
    "the first and the second, the mean of the means",
    "all three",
)
STEP_SIZES = (f"It is about {PARTS} times as long", "It is nearly the same", "It points the other way")


def model_of(context: Context) -> Checkpoint[GPT]:
    """The header's model, read anew, as its gradients are taken. Raises ValueError if it is too large."""
    return load_with_turns(small_model(context, context.model), torch.device("cpu"))


def figures_of(found: dict[str, Comparison]) -> dict[str, float]:
    return {
        f"{name}_{what}": getattr(one, what)
        for name, one in found.items()
        for what in ("difference", "cosine", "length")
    }


def table_of(found: dict[str, Comparison]) -> Table:
    rows = [
        [WAYS[name], f"{one.difference:.2g}", f"{one.cosine:.4f}", f"{one.length:.2f}"] for name, one in found.items()
    ]
    columns = ("eight micro-batches", "difference, relative", "cosine", "length, relative")
    return Table(f"Beside the gradient of all {BATCH} at once", columns, rows)


def targets_table(counts: list[int]) -> Table:
    rows = [[f"{i + 1}", f"{count:,}"] for i, count in enumerate(counts)]
    return Table("What counts in each micro-batch", ("micro-batch", "targets"), rows)


# --- the same length -------------------------------------------------------------------------------------------


def equal(context: Context) -> Run:
    yield Progress("reading the model")
    loaded = model_of(context)
    batch = measuring.equal_batch(loaded.model, loaded.tokenizer)
    yield Progress(f"four gradients of {BATCH} texts")
    found = measuring.compare_gradients(measuring.gradients(loaded.model, batch))
    agreeing = sum(one.difference < AGREES for one in found.values())
    return Result(figures_of(found), AGREEING[max(1, agreeing) - 1], (table_of(found),))


def explain_equal(result: Result, prediction: Answer) -> str:
    found = result.figures
    return (
        f"With equally many targets in every micro-batch the mean of the means is the mean of all, so the first two "
        f"differ from the whole batch by {max(found['right_difference'], found['mean_of_means_difference']):.1g} of "
        f"its length, which is rounding. Where nobody divides, the gradient points the same way "
        f"(cosine {found['not_divided_cosine']:.4f}) and is {found['not_divided_length']:.2f} times as long."
    )


def equal_holds(result: Result) -> bool:
    found = result.figures
    close = all(found[f"{name}_difference"] < AGREES for name in (RIGHT, MEAN_OF_MEANS))
    return close and abs(found["not_divided_length"] - PARTS) < 0.01


# --- different lengths -----------------------------------------------------------------------------------------


def unequal(context: Context) -> Run:
    yield Progress("reading the model")
    loaded = model_of(context)
    batch = measuring.unequal_batch(loaded.model, loaded.tokenizer)
    yield Progress(f"four gradients of {BATCH} conversations")
    found = measuring.compare_gradients(measuring.gradients(loaded.model, batch))
    counts = measuring.targets_by_micro_batch(batch)
    figures = figures_of(found) | {"fewest": float(min(counts)), "most": float(max(counts))}
    outcome = min(100.0, 100 * found[MEAN_OF_MEANS].difference)
    return Result(figures, outcome, (table_of(found), targets_table(counts)))


def explain_unequal(result: Result, prediction: Answer) -> str:
    found = result.figures
    return (
        f"The micro-batches hold between {found['fewest']:,.0f} and {found['most']:,.0f} targets, and the mean of "
        f"their means counts a target in the smallest {found['most'] / found['fewest']:.1f} times as much as one in "
        f"the largest: its gradient is off by {percent(found['mean_of_means_difference'])} of the length. Losses that "
        "are summed and divided once by all targets, as here in every training, are off by "
        f"{found['right_difference']:.1g}."
    )


def unequal_holds(result: Result) -> bool:
    found = result.figures
    return found["right_difference"] < AGREES and found["mean_of_means_difference"] > 20 * AGREES


# --- what the optimiser makes of it ----------------------------------------------------------------------------


def optimizer(context: Context) -> Run:
    yield Progress("reading the model")
    loaded = model_of(context)
    batch = measuring.equal_batch(loaded.model, loaded.tokenizer)
    yield Progress(f"four gradients of {BATCH} texts")
    found = measuring.gradients(loaded.model, batch)
    yield Progress("one step with each")
    right, wrong = (measuring.weight_steps(loaded.model, found[name]) for name in (RIGHT, NOT_DIVIDED))
    steps = {kind: measuring.compare(right[kind], wrong[kind]) for kind in right}
    titles = {"sgd": "gradient descent", "adamw": "AdamW"}
    rows = [
        [titles[kind], f"{one.length:.2f}", f"{one.difference:.2g}", f"{one.cosine:.4f}"] for kind, one in steps.items()
    ]
    columns = ("first step by", "length, relative", "difference, relative", "cosine")
    adamw = steps["adamw"]
    outcome = STEP_SIZES[2] if adamw.cosine < 0 else STEP_SIZES[0] if adamw.length > PARTS / 2 else STEP_SIZES[1]
    table = Table("The step with the gradient that was not divided, beside the right one", columns, rows)
    return Result(figures_of(steps), outcome, (table,))


def explain_optimizer(result: Result, prediction: Answer) -> str:
    found = result.figures
    return (
        f"Plain gradient descent takes a step {found['sgd_length']:.1f} times as long, AdamW one of "
        f"{found['adamw_length']:.2f} times the length: it divides the gradient by its own size, so that a factor "
        f"cancels. That is why this mistake can go unseen for long; it shows in grad_norm, in clipping, and wherever "
        f"another optimiser is tried."
    )


def optimizer_holds(result: Result) -> bool:
    found = result.figures
    is_same = result.outcome == STEP_SIZES[1] and abs(found["adamw_length"] - 1) < 0.05
    return is_same and abs(found["sgd_length"] - PARTS) < 0.01


STEPS = (
    Step(
        "equal",
        "One gradient of 64, or eight of 8",
        f"A batch of {BATCH} texts may be too large for a card. So {PARTS} micro-batches of {MICRO_BATCH} come one "
        "after the other, and their gradients add up to that of the whole: if one adds up the right thing.\n\n"
        "Three ways: sum the losses of all and divide once by the number of all targets; take the mean of the "
        f"{PARTS} means; or sum the {PARTS} means and forget to divide.",
        Choice("All texts have the same length. Which ways give the gradient of the whole batch?", AGREEING),
        equal,
        explain_equal,
        equal_holds,
        "gradients of 1 x 64 and of 8 x 8 in three ways: relative difference, cosine, length",
        "Gradient accumulation as in core/training/loop.py; Han and Han 2024, Bugs in LLM training: gradient "
        "accumulation fix, unsloth.ai/blog/gradient",
        trains=True,
        link=Link("Prove it on a training of your own", "Train"),
    ),
    Step(
        "unequal",
        "Answers of different lengths",
        "In fine-tuning only the answers count, and answers are short or long. The same three ways, on "
        f"{BATCH} conversations in random order.",
        Slider("How far off is the mean of the means, as a share of the gradient's length?", 0, 100, "%"),
        unequal,
        explain_unequal,
        unequal_holds,
        "the same on conversations, of which only the answers count",
        "Han and Han 2024, Bugs in LLM training: gradient accumulation fix, unsloth.ai/blog/gradient",
        trains=True,
    ),
    Step(
        "optimizer",
        "A mistake that hides",
        f"The gradient that was not divided is {PARTS} times too long. One first step is taken with it, and one with "
        "the right gradient.",
        Choice("What does AdamW's step with it look like, beside the right one?", STEP_SIZES),
        optimizer,
        explain_optimizer,
        optimizer_holds,
        "the first step of gradient descent and of AdamW with either gradient",
        "Kingma and Ba 2015, Adam, arXiv:1412.6980, section 2.1: its steps do not change with the gradient's scale",
        trains=True,
    ),
)
LESSON = Lesson(
    "accumulation",
    "Accumulation",
    "When eight small batches make the gradient of one large batch, and two mistakes after which they do not.",
    8,
    STEPS,
)
