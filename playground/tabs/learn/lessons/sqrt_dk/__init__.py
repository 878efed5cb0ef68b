"""Lesson 3, why √d_k: the spread of scores, the gradient through the softmax, and four trainings."""

import math

from core.datasets import shakespeare as corpora
from core.lessons.attention_scores import (
    Recipe,
    head_spreads,
    random_softmax,
    random_spread,
    texts,
    train_with_scale,
)
from core.lessons.vocabularies import beginnings
from playground.tabs.learn.figures import curves
from playground.tabs.learn.lesson import (
    Answer,
    Axis,
    Choice,
    Context,
    Lesson,
    Link,
    Progress,
    Result,
    Run,
    Sketch,
    Slider,
    Step,
    Table,
)

WIDTHS = (4, 16, 64, 256)
TEXT = "O Romeo, Romeo! wherefore art thou Romeo?\nDeny thy father and refuse thy name"
RECIPE = Recipe()
HEADS = {"heads of 32": RECIPE.n_embd // 32, "one head of 256": 1}  # n_head, by what is said of them
LEARNED, HELD_OUT = 400_000, 20_000  # characters
ALIKE = 0.05  # nats: two trainings whose losses are nearer than that ended alike
HURTS = ("with many heads of 32", "with one head of 256", "alike with both")  # answers
VASWANI = "Vaswani et al. 2017, Attention is all you need, arXiv:1706.03762, section 3.2.1"


# --- the spread of scores ---------------------------------------------------------------------------------------


def spread(context: Context) -> Run:
    yield Progress("drawing queries and keys")
    measured = {d_k: random_spread(d_k) for d_k in WIDTHS}
    rows = [
        [str(d), f"{value:.2f}", f"{math.sqrt(d):.0f}", f"{value / math.sqrt(d):.2f}"] for d, value in measured.items()
    ]
    return Result(
        {f"spread_{d_k}": value for d_k, value in measured.items()},
        [[float(d_k), value] for d_k, value in measured.items()],
        (Table("4,096 random pairs each", ("d_k", "spread of q · k", "√d_k", "spread ÷ √d_k"), rows),),
    )


def explain_spread(result: Result, prediction: Answer) -> str:
    narrow, wide = result.figures["spread_4"], result.figures["spread_256"]
    return (
        f"From d_k = 4 to 256 the spread grows from {narrow:.1f} to {wide:.1f}: d_k products of variance 1 add up to "
        "a sum of variance d_k, whose standard deviation is √d_k. Divided by √d_k, the spread is 1 whatever the width."
    )


# --- trained heads ----------------------------------------------------------------------------------------------


def trained(context: Context) -> Run:
    yield Progress("reading the text with the model")
    loaded = context.services.checkpoints.load(context.model)
    ids = loaded.tokenizer.encode(TEXT)[: loaded.model.config.block_size]
    d_k = loaded.model.config.head_size
    ratios = head_spreads(loaded.model, ids) / math.sqrt(d_k)  # (n_layer, nh)
    rows = [[f"layer {i}", *(f"{ratio:.1f}" for ratio in layer)] for i, layer in enumerate(ratios.tolist(), 1)]
    columns = ("", *(f"head {head}" for head in range(1, ratios.shape[1] + 1)))
    smallest, middle, largest = float(ratios.min()), float(ratios.median()), float(ratios.max())
    return Result(
        {"d_k": d_k, "smallest": smallest, "median": middle, "largest": largest, "heads": ratios.numel()},
        middle,
        (Table(f"Spread of q · k ÷ √d_k in the heads of {context.model}, d_k = {d_k}", columns, rows),),
    )


def explain_trained(result: Result, prediction: Answer) -> str:
    found = result.figures
    return (
        f"In the {found['heads']:.0f} heads the spread is {found['smallest']:.1f} to {found['largest']:.1f} times "
        f"√d_k, the median {found['median']:.1f}: trained queries and keys are neither independent nor of variance "
        "1. Each head has set its own sharpness through the lengths of q and k; dividing by √d_k only lets it begin "
        "where it can still learn."
    )


# --- the gradient -----------------------------------------------------------------------------------------------


def gradient(context: Context) -> Run:
    yield Progress("passing gradients through the softmax")
    without = [random_softmax(d_k, 1.0) for d_k in WIDTHS]
    divided = [random_softmax(d_k, 1 / math.sqrt(d_k)) for d_k in WIDTHS]
    left = 100 * without[-1].gradient / divided[-1].gradient
    plot = curves(
        "What of a gradient can pass the softmax",
        "d_k",
        "norm of the softmax's Jacobian (no unit)",
        {
            "scores ÷ √d_k": (WIDTHS, [found.gradient for found in divided]),
            "not divided": (WIDTHS, [found.gradient for found in without]),
        },
        log_x_at=WIDTHS,
    )
    return Result(
        {
            "left": left,
            "left_4": 100 * without[0].gradient / divided[0].gradient,
            "largest": without[-1].largest,
            "largest_divided": divided[-1].largest,
        },
        min(left, 100.0),
        (plot,),
    )


def explain_gradient(result: Result, prediction: Answer) -> str:
    found = result.figures
    return (
        f"At d_k = 256 the undivided softmax gives {found['largest']:.2f} of its weight to one token (divided, "
        f"{found['largest_divided']:.2f}), and {found['left']:.0f} % of the gradient is left. At d_k = 4 it is "
        f"{found['left_4']:.0f} %: a softmax that has decided cannot be corrected, and the wider the head, the "
        "sooner it has."
    )


# --- trainings --------------------------------------------------------------------------------------------------


def trainings(context: Context) -> Run:
    yield Progress("reading the plays", 0.0)
    corpus = corpora.load("shakespeare-1mb")
    data = texts([beginnings(corpus.train, LEARNED)], [beginnings(corpus.val, HELD_OUT)], RECIPE)
    runs = [(heads, divided) for heads in HEADS for divided in (True, False)]
    losses: dict[tuple[str, bool], list[float]] = {}
    for number, (heads, divided) in enumerate(runs):
        how = "with" if divided else "without"
        losses[heads, divided] = []
        for step, loss in enumerate(train_with_scale(data, RECIPE, HEADS[heads], None if divided else 1.0), 1):
            losses[heads, divided].append(loss)
            done = (number + step / (RECIPE.max_steps + 1)) / len(runs)
            yield Progress(f"{heads}, {how} √d_k: step {min(step, RECIPE.max_steps)} of {RECIPE.max_steps}", done)
    return trainings_result({key: (values[:-1], values[-1]) for key, values in losses.items()})


def trainings_result(found: dict[tuple[str, bool], tuple[list[float], float]]) -> Result:
    """Of the losses of each training's steps, and its loss on the held-out text."""
    harms = {heads: found[heads, False][1] - found[heads, True][1] for heads in HEADS}
    many, one = harms.values()
    outcome = HURTS[2] if abs(one - many) < ALIKE else HURTS[1] if one > many else HURTS[0]
    named = {f"{heads}, {'÷ √d_k' if divided else 'not divided'}": key for key in found for heads, divided in [key]}
    rows = [
        [heads, *(f"{found[heads, divided][1]:.2f}" for divided in (True, False)), f"{harms[heads]:+.2f}"]
        for heads in HEADS
    ]
    plot = curves(
        f"Four trainings of one seed (layers: {RECIPE.n_layer}, width: {RECIPE.n_embd})",
        "optimiser step",
        "training loss (nats per token)",
        {name: (range(1, len(found[key][0]) + 1), smoothed(found[key][0])) for name, key in named.items()},
    )
    return Result(
        {"many": many, "one": one, "one_divided": found["one head of 256", True][1]},
        outcome,
        (Table("Loss on held-out plays, nats per token", ("model", "÷ √d_k", "not divided", "difference"), rows), plot),
    )


def smoothed(losses: list[float], over: int = 10) -> list[float]:
    """The mean of each loss and those just before it: a batch's own luck hides what differs between trainings."""
    return [sum(losses[max(0, i - over + 1) : i + 1]) / min(over, i + 1) for i in range(len(losses))]


def explain_trainings(result: Result, prediction: Answer) -> str:
    found = result.figures
    return (
        f"Without the division the model with one head of 256 ends {found['one']:+.2f} nats per token from its twin, "
        f"the one with heads of 32 {found['many']:+.2f}, after {RECIPE.max_steps} steps of AdamW at "
        f"{RECIPE.learning_rate:g} from one seed. It matters where heads are wide and rates high: scores that have "
        "grown past what the softmax can take back stay there."
    )


STEPS = (
    Step(
        "spread",
        "How large do scores get?",
        "A score is a product of a query and a key: d_k numbers times d_k numbers, added up.\n\nTake random ones, "
        "each of mean 0 and variance 1, as at the beginning of a training.",
        Sketch(
            "Draw how far the scores spread (their standard deviation) as d_k grows.",
            Axis("d_k: numbers in a query and a key", WIDTHS[0], WIDTHS[-1], log=True, at=tuple(map(float, WIDTHS))),
            Axis("standard deviation of q · k", 0, 20),
        ),
        spread,
        explain_spread,
        lambda result: all(abs(result.figures[f"spread_{d}"] / math.sqrt(d) - 1) < 0.1 for d in WIDTHS),
        "standard deviation of q · k over 4,096 pairs of random vectors of each width",
        f"{VASWANI}, footnote 4",
    ),
    Step(
        "heads",
        "And in heads that were trained?",
        "The model that is chosen above has learned its queries and keys. If they were still random, the spread of the "
        "scores would be √d_k, a ratio of 1.",
        Slider("The spread of a head's scores ÷ √d_k: what is the median over all heads?", 0.1, 20, "", log=True),
        trained,
        explain_trained,
        lambda result: result.figures["largest"] > 1.5 * result.figures["smallest"],
        "standard deviation of q · k in each head of the chosen model, on one text",
        VASWANI,
        link=Link("One head under any power of d_k", "Attention", "Why √d_k", typed=TEXT),
    ),
    Step(
        "gradient",
        "What does the softmax make of it?",
        "A softmax over widely spread scores puts nearly all weight on one token. What a head can learn comes back "
        "as a gradient through that softmax.",
        Slider("d_k = 256, scores not divided: how much of the gradient is left, compared with ÷ √d_k?", 0, 100, "%"),
        gradient,
        explain_gradient,
        lambda result: result.figures["left"] < 50 < result.figures["left_4"],
        "the softmax's Jacobian over 32 random keys, at each width, with and without the division",
        VASWANI,
    ),
    Step(
        "trainings",
        "Does it matter for learning?",
        f"Four small trainings from one seed: {RECIPE.n_embd} numbers wide, cut into heads of 32 or left as one head "
        "of 256; each with and without the division.\n\nThey take about a minute.",
        Choice("Where does it hurt more to leave the division out?", HURTS),
        trainings,
        explain_trainings,
        lambda result: result.outcome == HURTS[1] and result.figures["one"] > ALIKE,
        "held-out loss of four trainings of one seed: heads of 32 and of 256, with and without the division",
        VASWANI,
        trains=True,
        link=Link("The same at length, in Attention", "Attention", "Why √d_k"),
    ),
)
LESSON = Lesson(
    "sqrt-dk",
    "Why √d_k",
    "Predict how far scores spread, see what is left of the gradient, and train four models to find out when it "
    "matters.",
    12,
    STEPS,
)
