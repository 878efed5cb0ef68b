"""Lesson 4, the loss that will not fall: six curves, six causes, and what a mended run has lost."""

from collections.abc import Generator, Iterator

from core.lessons.failing_runs import FAULTS, RECIPE, FailingRun, Material, read_material, train
from playground.tabs.learn.figures import panels
from playground.tabs.learn.lesson import (
    Answer,
    Choice,
    Context,
    Lesson,
    Link,
    Match,
    Part,
    Plot,
    Progress,
    Result,
    Run,
    Slider,
    Step,
    Table,
    Texts,
)
from playground.tabs.learn.measuring import reported

LETTERS = dict(
    zip(
        "ABCDEF",
        ("tiny_batch", "rate_too_low", "leaky_mask", "no_warmup", "rate_too_high", "shuffled_text"),
        strict=True,
    )
)
TITLES = {name: fault.title for name, fault in FAULTS.items()}
# What the doctor finds in the log of each; two faults leave no trace in it that a rule could be sure of.
FOUND = {
    "rate_too_high": "learning rate too high",
    "rate_too_low": "learning rate too low",
    "no_warmup": "warmup too short",
    "shuffled_text": "plateau at the unigram entropy",
}
LOSS = "loss, nats a token"
BREAK = FAULTS["rate_too_high"].changes  # what the form of a run of one's own is filled in with
HALF = 2  # a run that is mended is mended at this part of its steps


class Runs:
    """The six trainings, which are the same each time, and so are kept until the playground ends."""

    def __init__(self) -> None:
        self.broken: dict[str, FailingRun] = {}

    def train(self) -> Iterator[Progress]:
        if not self.broken:
            yield Progress("reading the text")
            self.broken = yield from train_all(read_material(), 0)

    def look(self, context: Context) -> tuple[Part, ...]:
        if not self.broken:
            raise ValueError("The six curves are not there any more: go to step 1, predict again and run it.")
        return (drawn(self.broken),)


def train_all(material: Material, mend_at: int) -> Generator[Progress, None, dict[str, FailingRun]]:
    found, count = dict[str, FailingRun](), len(LETTERS)
    for i, name in enumerate(LETTERS.values()):
        work = train(material, FAULTS[name], mend_at)
        found[name] = yield from reported(work, f"training {i + 1} of {count}", i / count, (i + 1) / count)
    return found


def drawn(runs: dict[str, FailingRun], title: str = "Six trainings of one model") -> Plot:
    named = {letter: curve(runs[name]) for letter, name in LETTERS.items()}
    return panels(title, "step", LOSS, named)


def curve(run: FailingRun) -> tuple[list[float], list[float]]:
    return [float(step) for step in range(1, len(run.losses) + 1)], run.losses


RUNS = Runs()


# --- which one ends lowest -------------------------------------------------------------------------------------


def lowest(context: Context) -> Run:
    yield from RUNS.train()
    runs = RUNS.broken
    best = min(runs, key=lambda name: runs[name].last)
    figures = {name: run.last for name, run in runs.items()}
    rows = [[letter, f"{runs[name].losses[0]:.2f}", f"{runs[name].last:.2f}"] for letter, name in LETTERS.items()]
    return Result(
        figures, TITLES[best], (drawn(runs), Table("Training loss", ("run", "first step", "at the end"), rows))
    )


def explain_lowest(result: Result, prediction: Answer) -> str:
    found = dict(result.figures)
    best = found.pop("leaky_mask")
    return (
        f"The run that can see its targets ends at {best:.2f} nats a token, the others between "
        f"{min(found.values()):.2f} and {max(found.values()):.2f}. A loss that is too good to be true is a symptom as "
        "one is that does not fall."
    )


# --- which is which --------------------------------------------------------------------------------------------


def causes(context: Context) -> Run:
    yield from RUNS.train()
    runs = RUNS.broken
    rows = [[letter, TITLES[name], *evidence(runs[name])] for letter, name in LETTERS.items()]
    columns = ("run", "cause", "scatter", "a later token changes logits")
    figures = {f"{name}_found": float(is_found(name, run)) for name, run in runs.items()}
    figures |= {f"{name}_scatter": run.scatter for name, run in runs.items()}
    figures |= {f"{name}_leak": run.leak for name, run in runs.items()}
    findings = [(letter, found) for letter, name in LETTERS.items() if (found := runs[name].finding)]
    said = Texts(tuple((f"{letter}: {found.title}", found.evidence) for letter, found in findings))
    outcome = [TITLES[name] for name in LETTERS.values()]
    return Result(figures, outcome, (drawn(runs), said, Table("What the doctor does not ask", columns, rows)))


def evidence(run: FailingRun) -> list[str]:
    return [f"{run.scatter:.2f} nats", f"by {run.leak:.2g}" if run.leak else "no"]


def is_found(name: str, run: FailingRun) -> bool:
    """Does the doctor find in it what was broken, and nothing where it cannot know?"""
    return (run.finding.kind if run.finding else None) == FOUND.get(name)


def explain_causes(result: Result, prediction: Answer) -> str:
    found = result.figures
    right = sum(a == b for a, b in zip(result.outcome, prediction, strict=True))  # type: ignore[arg-type]
    told = sum(found[f"{name}_found"] for name in FOUND)
    times = found["tiny_batch_scatter"] / found["no_warmup_scatter"]
    return (
        f"You assigned {right} of {len(LETTERS)} rightly; from the numbers of the log alone the doctor names "
        f"{told:.0f}. The other two it leaves alone, since healthy runs look like them: the tiny batch shows in its "
        f"scatter, {times:.1f} times that of a usual batch, and the mask only when one changes a token and looks "
        "whether the logits before it move."
    )


def causes_hold(result: Result) -> bool:
    found = result.figures
    leaks = [name for name in FAULTS if found[f"{name}_leak"] > 0]
    told = all(found[f"{name}_found"] for name in FAULTS)
    return told and leaks == ["leaky_mask"] and found["tiny_batch_scatter"] > 2 * found["no_warmup_scatter"]


# --- the mask that leaks ---------------------------------------------------------------------------------------


def held_out(context: Context) -> Run:
    yield from RUNS.train()
    runs = RUNS.broken
    leaky = runs["leaky_mask"]
    rows = [[TITLES[name], f"{runs[name].last:.2f}", f"{runs[name].held_out:.2f}"] for name in LETTERS.values()]
    return Result(
        {"training": leaky.last, "held_out": leaky.held_out, "other": runs["no_warmup"].held_out},
        leaky.held_out,
        (Table("Nats a token", ("run", "training", "held out, the future hidden"), rows),),
    )


def explain_held_out(result: Result, prediction: Answer) -> str:
    found = result.figures
    return (
        f"With the future hidden, as it is when a model writes, its loss is {found['held_out']:.1f} nats a token "
        f"instead of {found['training']:.2f}, and that of a run without this bug {found['other']:.1f}: it has learned "
        "to copy what it should predict. So measure on held-out text with the code that writes, not with the code that "
        "trains."
    )


# --- broken, then mended ---------------------------------------------------------------------------------------


def mend(context: Context) -> Run:
    yield Progress("reading the text")
    material = read_material()
    steps = material.config.fit.max_steps
    runs = yield from train_all(material, steps // HALF)
    worst = max(runs, key=lambda name: runs[name].held_out)
    by_loss = sorted(LETTERS.items(), key=lambda one: -runs[one[1]].held_out)
    rows = [[letter, TITLES[name], f"{runs[name].held_out:.2f}"] for letter, name in by_loss]
    figures = {name: run.held_out for name, run in runs.items()} | {"steps": float(steps), "at": float(steps // HALF)}
    return Result(
        figures,
        TITLES[worst],
        (
            drawn(runs, "Mended at half time"),
            Table("After the last step", ("run", "what was broken", "held-out loss, nats a token"), rows),
        ),
    )


def explain_mend(result: Result, prediction: Answer) -> str:
    losses = {name: result.figures[name] for name in FAULTS}
    worst, best = max(losses, key=losses.__getitem__), min(losses, key=losses.__getitem__)
    return (
        f"After {result.figures['at']:.0f} broken steps and as many right ones, the damage is greatest here: "
        f"{TITLES[worst].lower()}, {losses[worst]:.2f} nats a token; it is smallest here: {TITLES[best].lower()}, "
        f"{losses[best]:.2f}. Steps that were only wasted can be made up for; weights that have grown too large must "
        "first come back, so go on from a step before the loss rose, as the doctor advises."
    )


def mend_holds(result: Result) -> bool:
    losses = {name: result.figures[name] for name in FAULTS}
    return max(losses, key=losses.__getitem__) == "rate_too_high"


STEPS = (
    Step(
        "six-runs",
        "Six trainings, one thing wrong in each",
        "A small model reads Shakespeare. It is trained six times from the same random weights, and each time one "
        "thing is wrong: its rate, its batch, its text or its mask.\n\nThe run without warm-up takes a rate that this "
        "model learns at if a warm-up leads to it.",
        Choice("Which of them ends with the lowest training loss?", tuple(TITLES.values())),
        lowest,
        explain_lowest,
        lambda result: result.outcome == TITLES["leaky_mask"],
        "training loss of six runs, each broken in one way",
        "Karpathy 2019, A recipe for training neural networks, karpathy.github.io/2019/04/25/recipe",
        trains=True,
        on_model=False,
    ),
    Step(
        "causes",
        "Which is which?",
        "You know one of them by now. The loss begins at ln V, that of a guess; what does it do then: sink slowly, "
        "jump, stand still, tremble?",
        Match("What is wrong with each?", tuple(LETTERS), tuple(TITLES.values())),
        causes,
        explain_causes,
        causes_hold,
        "the doctor's findings, the scatter of the loss, and whether a later token changes earlier logits",
        "core/diagnostics/loss_rules.py, tested on recorded runs; McCandlish et al. 2018, An empirical model of "
        "large-batch training, arXiv:1812.06162",
        look=RUNS.look,
        trains=True,
        on_model=False,
    ),
    Step(
        "held-out",
        "Too good to be true",
        "The run with the wrong mask had the lowest loss of all. Now it reads a text that it has not seen, with a mask "
        "that hides what comes, as it is hidden when a model writes.",
        Slider("What is its loss there, in nats a token?", 0.1, 30, "nats", log=True),
        held_out,
        explain_held_out,
        lambda result: result.figures["held_out"] > result.figures["other"] > result.figures["training"],
        "held-out loss of the six runs under the right mask",
        "Vaswani et al. 2017, Attention is all you need, arXiv:1706.03762, section 3.2.3: the mask",
        trains=True,
        on_model=False,
    ),
    Step(
        "mend",
        "Break it, then mend it",
        "Each run is broken in its way for the first half of its steps. Then everything is put right, and it goes on "
        "from the weights that it has.",
        Choice("Which one is worst off at the end?", tuple(TITLES.values())),
        mend,
        explain_mend,
        mend_holds,
        "held-out loss of the six runs, each mended at half time",
        "Chowdhery et al. 2022, PaLM, arXiv:2204.02311, section 5.1: going on from before a spike",
        trains=True,
        link=Link(
            "Break a run of your own in Train",
            "Train",
            "Pre-train",
            stage="pretrain",
            settings={name: value for name, value in (RECIPE | dict(BREAK)).items() if name != "device"},
        ),
        on_model=False,
    ),
)
LESSON = Lesson(
    "failing-loss",
    "The loss that will not fall",
    "Six curves and six causes: diagnose, see the doctor's evidence, break and mend.",
    12,
    STEPS,
)
