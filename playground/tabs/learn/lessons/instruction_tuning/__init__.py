"""Lesson 7, teach it to obey: a base beside a chat model, which tokens count, and an answer whose end does not."""

from core.chat_template import answer_end
from core.datasets.conversations import Example
from core.diagnostics.answer_changes import ENDED, change, interval, percent
from core.lessons import instruction_tuning as measuring
from core.lessons.instruction_tuning import RECIPE, MaskRun, Obedience
from core.preferences.agreement import rate
from core.tokenizer import Tokenizer
from playground.tabs.learn.figures import curves
from playground.tabs.learn.lesson import (
    Answer,
    Choice,
    Context,
    Lesson,
    Link,
    Part,
    Progress,
    Result,
    Run,
    Slider,
    Step,
    Table,
    Texts,
    Tokens,
)
from playground.tabs.learn.measuring import chat_model, reported, small_model

ENDING = ("Fewer end by themselves", "As many end by themselves", "More end by themselves")
SHOWN = 3  # replies, side by side
LENGTH = 50  # tokens, about, of the conversation that is shown


# --- base and chat ---------------------------------------------------------------------------------------------


def base_of(context: Context, chat: str) -> str:
    """The language model that `chat` was taught from. Raises ValueError if it is not here."""
    checkpoints, passed, name = context.services.checkpoints, set[str](), chat
    answering = checkpoints.chat_names()
    while name in answering and name not in passed:
        passed.add(name)
        name = checkpoints.load(name).card.parent or ""
    if name in passed or name not in checkpoints.names():
        raise ValueError(f"the model that {chat} was taught from is not here: choose another chat model")
    return name


def obey(context: Context) -> Run:
    chat = chat_model(context)
    base = base_of(context, chat)
    for name in (base, chat):
        small_model(context, name)
    yield Progress("reading the plays", 0.0)
    asked = measuring.held_out_instructions()
    yield Progress(f"{base} goes on with {len(asked)} prompts", 0.1)
    before = measuring.base_obedience(*context.services.checkpoints.writer(base, "float32"), asked)
    yield Progress(f"{chat} answers them", 0.6)
    after = measuring.chat_obedience(*context.services.checkpoints.writer(chat, "float32"), asked)
    return compared(base, before, chat, after)


def compared(base: str, before: Obedience, chat: str, after: Obedience) -> Result:
    then, now = before.rate(), after.rate()
    assert then.share is not None and now.share is not None  # there are prompts
    figures = {"base": then.share, "chat": now.share, "n": float(now.count)}
    figures |= {"base_low": then.low, "base_high": then.high, "chat_low": now.low, "chat_high": now.high}
    rows = [[kind, interval(before.rate(kind)), interval(after.rate(kind))] for kind in before.kinds()]
    rows.append(["all", interval(then), interval(now)])
    spread = range(0, len(after.asked), max(1, len(after.asked) // SHOWN))
    texts = [
        (name, "\n\n".join(f"{found.asked[i].prompt}\n→ {found.replies[i]}" for i in list(spread)[:SHOWN]))
        for name, found in ((base, before), (chat, after))
    ]
    table = Table(f"Followed, of {now.count} instructions", ("instruction", base, chat), rows)
    return Result(figures, 100 * now.share, (table, Texts(tuple(texts))))


def explain_obey(result: Result, prediction: Answer) -> str:
    found = result.figures
    n = int(found["n"])
    chat, base = (interval(rate(found[name] * n, n)) for name in ("chat", "base"))
    return (
        f"Of {n} instructions the chat model follows {chat}, and the base {base}, which goes on with a text and was "
        "never shown that a sentence can ask for something. The chat model is the same network after more training, "
        "by which it was taught to answer and to do as it is told."
    )


# --- which tokens count ----------------------------------------------------------------------------------------


def model_of(context: Context) -> tuple[Tokenizer, int]:
    """Vocabulary and context of a model that answers."""
    loaded = context.services.checkpoints.load(chat_model(context))
    return loaded.tokenizer, loaded.model.config.block_size


def shown_example(found: list[Example]) -> Example:
    return min(found, key=lambda example: abs(len(example.ids) - LENGTH))


def chips(title: str, tokenizer: Tokenizer, example: Example, counts: list[bool] | None) -> Tokens:
    return Tokens(title, [(tokenizer.token_bytes(id).hex(), id) for id in example.ids], counts)


def look_at_conversation(context: Context) -> tuple[Part, ...]:
    tokenizer, block_size = model_of(context)
    example = shown_example(measuring.some_conversations(tokenizer, block_size))
    return (chips("A conversation as the model reads it", tokenizer, example, None),)


def targets(context: Context) -> Run:
    yield Progress("reading the conversations")
    tokenizer, block_size = model_of(context)
    found = measuring.some_conversations(tokenizer, block_size)
    count, example = measuring.count_targets(tokenizer, found), shown_example(found)
    whole = ("read only: questions and marks", count.tokens - count.answers - count.ends)
    parts = (whole, ("counts: what answers say", count.answers), ("counts: the ends of answers", count.ends))
    rows = [[name, f"{tokens:,}", f"{100 * tokens / count.tokens:.1f} %"] for name, tokens in parts]
    figures = {"share": count.share, "conversations": float(count.conversations), "tokens": float(count.tokens)}
    figures |= {"ends": float(count.ends), "last": float(last_counts(tokenizer, found))}
    return Result(
        figures,
        100 * count.share,
        (
            chips("The same conversation: what is grey does not count", tokenizer, example, example.mask),
            Table(f"Tokens of {count.conversations:,} conversations", ("", "tokens", "share"), rows),
        ),
    )


def last_counts(tokenizer: Tokenizer, found: list[Example]) -> int:
    """How many conversations end with the end of an answer, as a target."""
    end = answer_end(tokenizer)
    return sum(example.ids[-1] == end and example.mask[-1] for example in found)


def explain_targets(result: Result, prediction: Answer) -> str:
    found = result.figures
    return (
        f"In {found['conversations']:,.0f} conversations {percent(found['share'])} of {found['tokens']:,.0f} tokens "
        "count: what the assistant says, and the token that ends it, once in each. The rest is read by attention and "
        "shapes the answer, but nothing is learned from predicting it: the model is to answer, not to ask."
    )


def targets_hold(result: Result) -> bool:
    found = result.figures
    return 0 < found["share"] < 1 and found["ends"] == found["last"] == found["conversations"]


# --- the mask that is wrong ------------------------------------------------------------------------------------


def wrong_mask(context: Context) -> Run:
    yield Progress("reading the conversations", 0.0)
    material = measuring.read_material()
    right = yield from reported(measuring.train(material, measuring.whole_answer), "training, all counts", 0.1, 0.5)
    wrong = yield from reported(measuring.train(material, measuring.without_end), "training, no end", 0.55, 0.95)
    return masks_compared(right, wrong)


def masks_compared(right: MaskRun, wrong: MaskRun) -> Result:
    ended = change(ENDED, right.answers, wrong.answers)
    figures = {"n": float(len(right.answers)), "real": float(ended.is_real and ended.after < ended.before)}
    figures |= {"right_ended": ended.before, "wrong_ended": ended.after}
    figures |= {"right_words": right.words, "wrong_words": wrong.words}
    figures |= {"right_ends": right.ends, "wrong_ends": wrong.ends}
    outcome = ENDING[1] if not ended.is_real else ENDING[0] if ended.after < ended.before else ENDING[2]
    names = ("the end counts", "the end does not count")
    runs = dict(zip(names, (right, wrong), strict=True))
    steps = list(range(1, len(right.losses) + 1))
    rows = [
        ["answers that end by themselves", *(interval(run.ended) for run in runs.values())],
        ["held-out loss, words of answers, nats a token", *(f"{run.words:.2f}" for run in runs.values())],
        ["held-out loss, ends of answers, nats a token", *(f"{run.ends:.2f}" for run in runs.values())],
    ]
    return Result(
        figures,
        outcome,
        (
            curves(
                "Training", "step", "loss, nats a target", {name: (steps, run.losses) for name, run in runs.items()}
            ),
            Table(f"After the last step, on {len(right.answers)} held-out prompts", ("", *names), rows),
            Texts(tuple((name, sample(run)) for name, run in runs.items())),
        ),
    )


def sample(run: MaskRun) -> str:
    return "\n\n".join(f"{answer['prompt']}\n→ {answer['text']}" for answer in run.answers[:SHOWN])


def explain_wrong_mask(result: Result, prediction: Answer) -> str:
    found = result.figures
    n = int(found["n"])
    right, wrong = (interval(rate(found[f"{name}_ended"] * n, n)) for name in ("right", "wrong"))
    return (
        f"The share of {n} answers that end by themselves is {wrong} where the end did not count, and {right} where it "
        f"did; the loss on words is {found['wrong_words']:.2f} against {found['right_words']:.2f} nats, that on "
        f"ends {found['wrong_ends']:.2f} against {found['right_ends']:.2f}. The wrong run's training loss cannot show "
        "it, as it asks only about tokens that count; so look at answers, and at the mask, before you trust a curve."
    )


def wrong_mask_holds(result: Result) -> bool:
    """Is it the end that is missing, and little else?"""
    found = result.figures
    lost = found["wrong_ends"] - found["right_ends"]
    return bool(found["real"]) and lost > 0 and abs(found["wrong_words"] - found["right_words"]) < lost / 2


STEPS = (
    Step(
        "obey",
        "A base and a chat model, on the same lines",
        "Both read the same lines from plays that neither has learned from, each followed by one instruction, "
        "such as to answer as Hamlet, in two lines, or with a question. Rules check whether the reply follows it.\n\n"
        "The base knows no turns: it gets the same as a text to go on with, and what it writes up to the next blank "
        "line is its reply. The chat model was made from it.",
        Slider("What share of the instructions does the chat model follow?", 0, 100, "%"),
        obey,
        explain_obey,
        lambda result: result.figures["chat_low"] > result.figures["base_high"],
        "held-out instructions that base and chat model follow, by kind, with n and interval",
        "Ouyang et al. 2022, arXiv:2203.02155; the rules: Zhou et al. 2023, IFEval, arXiv:2311.07911",
        link=Link("Ask it yourself in Chat", "Chat"),
    ),
    Step(
        "targets",
        "Which tokens count",
        "A conversation is one row of tokens: a mark, what the user says, a mark, what the assistant says, and a token "
        "that ends it. Training goes on as before, each token predicted from those before it; but only some of them "
        "count in the loss. Which they are is called the mask.",
        Slider("What share of the tokens counts?", 0, 100, "%"),
        targets,
        explain_targets,
        targets_hold,
        "tokens of the training conversations, and which of them are targets, counted",
        "Touvron et al. 2023, Llama 2, arXiv:2307.09288, section 3.1",
        look=look_at_conversation,
    ),
    Step(
        "wrong-mask",
        "A mask with a mistake",
        f"A small model is taught to answer, {RECIPE['max_steps']} steps, twice: once as it should be; and once with "
        "one mistake, common where an end mark is also used to fill up short rows: the token that ends an answer does "
        "not count. All else is the same, weights and batches too.",
        Choice("What becomes of the second one's answers?", ENDING),
        wrong_mask,
        explain_wrong_mask,
        wrong_mask_holds,
        "two fine-tunings that differ in the mask: answers that end by themselves, with n and interval; held-out loss "
        "on words and on ends",
        "core/datasets/conversations.py, whose mask counts the end; Touvron et al. 2023, arXiv:2307.09288, section 3.1",
        trains=True,
        on_model=False,
        link=Link("Teach a model in Train", "Train", "Instructions"),
    ),
)
LESSON = Lesson(
    "teach-to-obey",
    "Teach it to obey",
    "A base model beside a chat model, which tokens taught it the difference, and what a wrong mask does.",
    10,
    STEPS,
)
