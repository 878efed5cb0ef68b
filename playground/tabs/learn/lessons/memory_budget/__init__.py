"""Lesson 5, what fits: the memory of a training, guessed, planned part by part, and measured once."""

from collections.abc import Callable

from core.diagnostics.answer_changes import percent
from core.lessons import memory_budget as planning
from core.lessons.memory_budget import BLOCK, CARD_GB, CONFIGURATIONS, SMALL, gib
from core.training.planning.memory import plan, usable_bytes
from core.training.planning.memory_check import TOLERANCE, measure
from playground.tabs.learn.figures import LAYOUT, LEGEND, axis
from playground.tabs.learn.lesson import (
    Answer,
    Context,
    Lesson,
    Link,
    Plot,
    Progress,
    Result,
    Run,
    Slider,
    Step,
    Table,
)
from playground.ui.palette import LINES

LOW, HIGH = 1.0, 64.0  # GB of the sliders
MEGABYTES = 1024
NAMES = {
    "weights": "weights",
    "gradients": "gradients",
    "optimizer": "AdamW's averages",
    "activations": "kept for the backward pass",
    "copies": "copies in bfloat16",
    "logits": "logits",
}
PATTERNS = ("", "/", "", "x", "", ".")
USABLE = gib(usable_bytes(CARD_GB, "cuda"))


def stacked(title: str, unit: str, planned: dict[str, dict[str, float]], limit: float | None = None) -> Plot:
    """A bar for each training, cut into its parts; `limit`: what the card can hold."""
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "y": list(planned),
            "x": [parts[part] for parts in planned.values()],
            "marker": {"color": LINES[i], "pattern": {"shape": PATTERNS[i]}},
        }
        for i, (part, name) in enumerate(NAMES.items())
    ]
    layout = LAYOUT | {"barmode": "stack", "xaxis": axis(f"memory in {unit}")}
    layout |= {"legend": {**LEGEND, "traceorder": "normal"}}
    layout |= {"yaxis": {"autorange": "reversed", "automargin": True}}
    if limit:
        line = {"type": "line", "x0": limit, "x1": limit, "y0": 0, "y1": 1, "yref": "paper"}
        layout |= {"shapes": [line | {"line": {"color": "#808080", "dash": "dot", "width": 2}}]}
    return Plot(title, data, layout)


def compared(*names: str) -> tuple[Plot, Table]:
    """The plans of some configurations, side by side."""
    chosen = {name: CONFIGURATIONS[name] for name in names}
    parts = {one.short: planning.parts(one.plan) for one in chosen.values()}
    rows = [[one.title, f"{gib(one.plan.peak):.1f} GB", "yes" if one.fits else "no"] for one in chosen.values()]
    return (
        stacked(f"Where the memory goes; dotted: what {CARD_GB:.0f} GB can hold", "GB", parts, USABLE),
        Table("At the fullest moment, which not all parts see", ("training", "memory", f"fits {CARD_GB:.0f} GB"), rows),
    )


def planned(name: str, *beside: str) -> Callable[[Context], Run]:
    """What measures the plan of one configuration, shown beside others."""

    def run(context: Context) -> Run:
        yield Progress("counting")
        found = CONFIGURATIONS[name]
        figures = planning.parts(found.plan) | {"peak": gib(found.plan.peak), "fits": float(found.fits)}
        figures |= {f"{one}_peak": gib(CONFIGURATIONS[one].plan.peak) for one in beside}
        figures |= {f"{one}_activations": gib(CONFIGURATIONS[one].plan.activations) for one in beside}
        return Result(figures, figures["peak"], compared(*beside, name))

    return run


def explain_whole(result: Result, prediction: Answer) -> str:
    found = result.figures
    fixed = found["weights"] + found["gradients"] + found["optimizer"]
    return (
        f"Weights, gradients and AdamW's two averages take {fixed:.1f} GB whatever the batch, 16 bytes a weight; "
        f"{found['activations']:.1f} of {found['peak']:.1f} GB are what the forward pass keeps for the backward pass, "
        "and that grows with every text in the batch."
    )


def explain_micro(result: Result, prediction: Answer) -> str:
    found = result.figures
    return (
        f"A quarter of the texts at once keeps a quarter of the activations, {found['activations']:.1f} instead of "
        f"{found['whole_activations']:.1f} GB, and the step's gradient is the same: {found['peak']:.1f} GB instead of "
        f"{found['whole_peak']:.1f}. What does not shrink are weights, gradients and the optimiser."
    )


def explain_recompute(result: Result, prediction: Answer) -> str:
    found = result.figures
    return (
        f"Only the input of each block is kept, and the rest is computed a second time when the backward pass needs "
        f"it: {found['activations']:.1f} instead of {found['whole_activations']:.1f} GB of activations, "
        f"{found['peak']:.1f} instead of {found['whole_peak']:.1f} GB in all. It costs one more forward pass, about a "
        "third of the time."
    )


def explain_xl(result: Result, prediction: Answer) -> str:
    found = result.figures
    fixed = found["weights"] + found["gradients"] + found["optimizer"]
    return (
        f"One text at a time leaves {found['activations']:.1f} GB of activations, but {fixed:.1f} GB of weights, "
        f"gradients and averages stay, of {found['peak']:.1f}: of a {CARD_GB:.0f} GB card {USABLE:.1f} can be filled. "
        f"GPT-2 large, beside it, needs {found['large_peak']:.1f} GB and fits."
    )


# --- arithmetic of one's own -----------------------------------------------------------------------------------


def eight_bits(context: Context) -> Run:
    yield Progress("counting")
    large = CONFIGURATIONS["large"]
    parts = planning.parts(large.plan)
    small = gib(planning.eight_bit_optimizer(large.model))
    saved = parts["optimizer"] - small
    bars = {"AdamW in 32 bits": parts, "AdamW in 8 bits": parts | {"optimizer": small}}
    figures = {"in_32": parts["optimizer"], "in_8": small, "saved": saved, "peak": gib(large.plan.peak)}
    return Result(figures, small, (stacked(f"{large.title}: where the memory goes", "GB", bars, USABLE),))


def explain_eight_bits(result: Result, prediction: Answer) -> str:
    found = result.figures
    return (
        f"Two averages of one byte a weight, and a scale for each {BLOCK:,} numbers, make {found['in_8']:.2f} GB "
        f"instead of {found['in_32']:.2f}: {found['saved']:.1f} of {found['peak']:.1f} GB are free for something else. "
        "This playground keeps its averages in 32 bits; the count is what other programs save with 8."
    )


# --- one plan against a real run -------------------------------------------------------------------------------


def real_run(context: Context) -> Run:
    yield Progress("training for two steps in a process of its own")
    peak = measure({"small": (SMALL.model, SMALL.fit)})["small"]
    planned_bytes = plan(SMALL.model, SMALL.fit, "cpu")
    scale = MEGABYTES
    figures = {"planned": scale * gib(planned_bytes.peak), "measured": scale * gib(peak)}
    parts = {name: scale * size for name, size in planning.parts(planned_bytes).items()}
    rows = [["planned", f"{figures['planned']:,.0f} MB"], ["measured", f"{figures['measured']:,.0f} MB"]]
    return Result(
        figures,
        figures["measured"],
        (
            stacked("What the plan counts", "MB", {SMALL.short: parts}),
            Table("At the fullest moment", ("", "memory"), rows),
        ),
    )


def explain_real_run(result: Result, prediction: Answer) -> str:
    found = result.figures
    return (
        f"The process grew by {found['measured']:,.0f} MB, the plan says {found['planned']:,.0f}: "
        f"{percent(abs(found['measured'] / found['planned'] - 1))} apart. Plans are tested to be within "
        f"{percent(TOLERANCE)} of real steps, whichever part is the largest; a program's own libraries come on top."
    )


def memory_slider(question: str) -> Slider:
    return Slider(question, LOW, HIGH, "GB", log=True)


ASKED = "How much memory does it take at its fullest moment?"
STEPS = (
    Step(
        "whole",
        "16 texts at once",
        f"GPT-2 has 124 million weights. It is trained on a card with {CARD_GB:.0f} GB, with AdamW and products in "
        "bfloat16, on 16 texts of 1,024 tokens in every step, all at once.",
        memory_slider(ASKED),
        planned("whole"),
        explain_whole,
        lambda result: result.figures["activations"] > result.figures["optimizer"],
        "the plan of GPT-2 (124M) with a batch of 16 at once, part by part",
        "Rajbhandari et al. 2020, ZeRO, arXiv:1910.02054, section 3: where the memory of a training goes",
        on_model=False,
    ),
    Step(
        "micro-batches",
        "Four texts at a time",
        "The same 16 texts, but four at a time: gradients add up over four micro-batches before AdamW moves.",
        memory_slider(ASKED),
        planned("micro", "whole"),
        explain_micro,
        lambda result: result.figures["peak"] < result.figures["whole_peak"],
        "the same in micro-batches of 4",
        "core/training/planning/memory.py, held against real steps by its tests",
        on_model=False,
    ),
    Step(
        "recompute",
        "Compute it twice",
        "Again all 16 texts at once. But of each block only the input is kept, and the backward pass computes the rest "
        "again.",
        memory_slider(ASKED),
        planned("recompute", "whole"),
        explain_recompute,
        lambda result: result.figures["activations"] < result.figures["whole_activations"] / 2,
        "the same with the blocks computed again",
        "Chen et al. 2016, Training deep nets with sublinear memory cost, arXiv:1604.06174",
        link=Link("Plan a training of your own", "Train"),
        on_model=False,
    ),
    Step(
        "xl",
        "A model of 1.6 billion weights",
        "GPT-2 XL is twelve times as large. Everything that saves activations is on: one text at a time, blocks "
        "computed again.",
        memory_slider(ASKED),
        planned("xl", "large"),
        explain_xl,
        lambda result: not result.figures["fits"] and result.figures["large_peak"] <= USABLE,
        "the plans of GPT-2 XL and GPT-2 large, one text at a time",
        "Rajbhandari et al. 2020, arXiv:1910.02054, section 3.1",
        on_model=False,
    ),
    Step(
        "eight-bits",
        "Averages in 8 bits",
        "GPT-2 large fits just so. AdamW keeps two averages for each of its "
        f"{CONFIGURATIONS['large'].model.n_params / 1e6:,.0f} million weights, in 32 bits each.\n\nReckon it yourself: "
        f"8 bits a number, and one 32-bit scale for every {BLOCK:,} numbers.",
        Slider("How much do both averages take then?", 0.5, 16, "GB", log=True),
        eight_bits,
        explain_eight_bits,
        lambda result: 3.5 < result.figures["in_32"] / result.figures["in_8"] < 4,
        "bytes of AdamW's averages of GPT-2 large in 32 and in 8 bits, counted",
        "Dettmers et al. 2022, 8-bit optimizers via block-wise quantization, arXiv:2110.02861",
        on_model=False,
    ),
    Step(
        "real-run",
        "Is the plan true?",
        f"A small model, {SMALL.title}, is trained for two steps in a process of its own, and the system says how much "
        f"that grew. The plan says {MEGABYTES * gib(plan(SMALL.model, SMALL.fit, 'cpu').peak):,.0f} MB.",
        Slider("How much will be measured?", 50, 1000, "MB", log=True),
        real_run,
        explain_real_run,
        lambda result: abs(result.figures["measured"] / result.figures["planned"] - 1) < TOLERANCE,
        "peak memory of two real steps on this machine beside the plan",
        f"core/training/planning/memory_check.py; tests hold eleven plans to {percent(TOLERANCE)}",
        trains=True,
        on_model=False,
    ),
)
LESSON = Lesson(
    "what-fits",
    "What fits",
    f"What fills the memory of a training, and what makes it fit a card of {CARD_GB:.0f} GB.",
    10,
    STEPS,
)
