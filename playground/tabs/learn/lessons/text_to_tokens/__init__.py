"""Lesson 1, from text to tokens: hidden letters, oddly cut numbers, and what a vocabulary costs."""

from itertools import pairwise

from core.datasets import shakespeare as corpora
from core.lessons.vocabularies import (
    beginnings,
    bytes_per_token,
    first_merges,
    number_cuts,
    python_code,
    spelling,
)
from core.tokenizer import SPECIAL_TOKENS, Tokenizer
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
    Tokens,
)

WORD = "strawberry"
WRITTEN = (f" {WORD}", WORD, WORD.capitalize(), WORD.upper(), " ".join(WORD))
PIECES = ("one", "two or three", f"{len(WORD)}, one a letter")  # answers
NUMBERS = range(1000, 10_000)
NEIGHBOURS = range(2023, 2033)
SIZES = (256, 512, 1024, 2048)  # tokens without the special ones
READ, HELD_OUT = 400_000, 60_000  # characters
SMALL = 1024  # tokens of the two vocabularies that learned from different texts


def chips(tokenizer: Tokenizer, title: str, text: str) -> Tokens:
    return Tokens(title, [(tokenizer.token_bytes(id).hex(), id) for id in tokenizer.encode(text)])


# --- letters ----------------------------------------------------------------------------------------------------


def letters(context: Context) -> Run:
    yield Progress("cutting the word")
    gpt2 = Tokenizer.gpt2()
    cuts = [spelling(gpt2, text) for text in WRITTEN]
    own = context.services.checkpoints.load(context.model).tokenizer
    pieces = len(cuts[0])
    shown = [chips(gpt2, f"GPT-2: “{text}”", text) for text in WRITTEN]
    return Result(
        {
            "with_space": pieces,
            "without_space": len(cuts[1]),
            "id": gpt2.encode(WRITTEN[0])[0],
            "letters": len(WORD),
            "own": len(own.encode(WRITTEN[0])),
            "ways": len({tuple(gpt2.encode(text)) for text in WRITTEN}),
        },
        PIECES[0] if pieces == 1 else PIECES[1] if pieces < 4 else PIECES[2],
        (*shown, chips(own, f"{context.model}: “{WRITTEN[0]}”", WRITTEN[0])),
    )


def explain_letters(result: Result, prediction: Answer) -> str:
    found = result.figures
    return (
        f"In the middle of a sentence the word is {found['with_space']:.0f} token, number {found['id']:.0f}, and at "
        f"the beginning of a text {found['without_space']:.0f} others: nothing in these numbers says that it has "
        f"{found['letters']:.0f} letters, or which. To count an r, a model must have learned the spelling of each "
        "token by heart."
    )


# --- numbers ----------------------------------------------------------------------------------------------------


def numbers(context: Context) -> Run:
    yield Progress(f"cutting {len(NUMBERS):,} numbers")
    gpt2 = Tokenizer.gpt2()
    cuts = number_cuts(gpt2, NUMBERS)
    whole = cuts[(4,)]
    rows = [["+".join(map(str, cut)), f"{count:,}", f"{count / len(NUMBERS):.1%}"] for cut, count in cuts.most_common()]
    examples = [[str(n), " | ".join(part.decode() for part in spelling(gpt2, str(n)))] for n in NEIGHBOURS]
    return Result(
        {"whole": whole, "share": 100 * whole / len(NUMBERS), "cuts": len(cuts), "numbers": len(NUMBERS)},
        100 * whole / len(NUMBERS),
        (
            Table("How GPT-2 cuts the numbers from 1000 to 9999", ("digits", "numbers", "share"), rows),
            Table("Neighbours", ("number", "tokens"), examples),
        ),
    )


def explain_numbers(result: Result, prediction: Answer) -> str:
    found = result.figures
    return (
        f"{found['whole']:,.0f} of {found['numbers']:,.0f} numbers ({found['share']:.0f} %) are one token, and the "
        f"others are cut in {found['cuts'] - 1:.0f} ways: the cut follows what was frequent in the texts, years "
        "above all, not the places of a number. So the digits that are to be added do not stand below each other, "
        "which makes arithmetic harder to learn."
    )


# --- how much a larger vocabulary saves -------------------------------------------------------------------------


def plays() -> tuple[str, str]:
    """To learn from, and held out."""
    corpus = corpora.load("shakespeare-1mb")
    return beginnings(corpus.train, READ), beginnings(corpus.val, HELD_OUT)


def growth(context: Context) -> Run:
    yield Progress("reading the plays", 0.0)
    learned, held_out = plays()
    yield Progress(f"learning {SIZES[-1]:,} tokens", 0.1)
    tokenizer = Tokenizer.train(learned, SIZES[-1] + len(SPECIAL_TOKENS))
    yield Progress("cutting a play that it has not read", 0.9)
    measured = [bytes_per_token(first_merges(tokenizer, size), held_out) for size in SIZES]
    rows = [[f"{size:,}", f"{value:.2f}"] for size, value in zip(SIZES, measured, strict=True)]
    return Result(
        {f"bytes_{size}": value for size, value in zip(SIZES, measured, strict=True)},
        [[float(size), value] for size, value in zip(SIZES, measured, strict=True)],
        (Table("Held-out plays", ("tokens in the vocabulary", "bytes per token"), rows),),
    )


def gains(result: Result) -> list[float]:
    """What each doubling of the vocabulary adds, in bytes per token."""
    values = [result.figures[f"bytes_{size}"] for size in SIZES]
    return [after - before for before, after in pairwise(values)]


def explain_growth(result: Result, prediction: Answer) -> str:
    first, *_, last = gains(result)
    return (
        f"The first doubling adds {first:.2f} bytes per token, the last {last:.2f}: frequent pairs are merged first, "
        "and what comes later is rarer. Each token also costs a row of the embedding, so a vocabulary stops growing "
        "where a row is no longer worth the few tokens that it saves."
    )


# --- the text that it was learned from --------------------------------------------------------------------------


def origins(context: Context) -> Run:
    yield Progress("reading the plays, and the code of Python's library", 0.0)
    learned, held_out = plays()
    code = python_code(READ)
    yield Progress(f"learning {SMALL:,} tokens from plays", 0.1)
    of_plays = Tokenizer.train(learned, SMALL)
    yield Progress(f"learning {SMALL:,} tokens from code", 0.5)
    of_code = Tokenizer.train(code, SMALL)
    yield Progress("cutting a play that neither has read", 0.9)
    gpt2 = Tokenizer.gpt2()
    named = {"learned from plays": of_plays, "learned from Python code": of_code, "GPT-2's": gpt2}
    counts = {name: len(tokenizer.encode(held_out)) for name, tokenizer in named.items()}
    more = 100 * (counts["learned from Python code"] / counts["learned from plays"] - 1)
    rows = [[name, f"{named[name].vocab_size:,}", f"{count:,}"] for name, count in counts.items()]
    line = next(line for line in held_out.split("\n") if len(line) > 40)
    return Result(
        {
            "more": more,
            "plays": counts["learned from plays"],
            "code": counts["learned from Python code"],
            "gpt2": counts["GPT-2's"],
            "gpt2_tokens": gpt2.vocab_size,
            "tokens": of_plays.vocab_size,
        },
        more,
        (
            Table("The same held-out plays", ("vocabulary", "tokens in it", "tokens for the text"), rows),
            chips(of_plays, "Learned from plays", line),
            chips(of_code, "Learned from Python code", line),
        ),
    )


def explain_origins(result: Result, prediction: Answer) -> str:
    found = result.figures
    fewer = 100 * (1 - found["gpt2"] / found["plays"])
    return (
        f"The vocabulary that was learned from code needs {found['more']:.0f} % more tokens for a play than one of the "
        "same size that was learned from plays: its merges went to what code says often. GPT-2's, with "
        f"{found['gpt2_tokens']:,.0f} tokens instead of {found['tokens']:,.0f}, changes the count by {-fewer:+.0f} % "
        f"and needs {found['gpt2_tokens'] / found['tokens']:.0f} times the rows: too many for a small model that only "
        "reads Shakespeare."
    )


STEPS = (
    Step(
        "letters",
        "Where are the letters?",
        "A model never sees letters. A text is cut into tokens, and all that the model gets of a token is its "
        "number.\n\nAsk one how many r there are in strawberry, and it cannot look.",
        Choice(f"Into how many tokens does GPT-2's vocabulary cut “{WORD}” in the middle of a sentence?", PIECES),
        letters,
        explain_letters,
        lambda result: result.outcome == PIECES[0] and result.figures["ways"] == len(WRITTEN),
        "tokens of the word as it may be written, by GPT-2's vocabulary and the model's own",
        "Kaushal and Mahowald 2022, What do tokens know about their characters and how do they know it?, "
        "arXiv:2206.02608",
        link=Link("Type your own in Tokenizer", "Tokenizer", typed=f"How many r are in {WORD}?"),
    ),
    Step(
        "numbers",
        "Where are the digits?",
        "Numbers are cut like words: what was frequent in the texts became one token.\n\nA year may be a token. Its "
        "neighbour may be two.",
        Slider("Of the numbers from 1000 to 9999, how many are one token for GPT-2?", 0, 100, "%"),
        numbers,
        explain_numbers,
        lambda result: result.figures["share"] < 50 and result.figures["cuts"] > 2,
        "every number from 1000 to 9999 in GPT-2's vocabulary",
        "Singh and Strouse 2024, Tokenization counts: the impact of tokenization on arithmetic, arXiv:2402.14903",
    ),
    Step(
        "growth",
        "What does a larger vocabulary save?",
        "A vocabulary begins with the 256 bytes. Each further token joins the pair that is most frequent then.\n\nMore "
        "tokens in the vocabulary means fewer in the text: each holds more bytes.",
        Sketch(
            "Draw how many bytes of a play one token holds, as the vocabulary grows.",
            Axis("tokens in the vocabulary", SIZES[0], SIZES[-1], log=True, at=tuple(map(float, SIZES))),
            Axis("bytes per token", 0, 5),
        ),
        growth,
        explain_growth,
        lambda result: all(gain > 0 for gain in gains(result)) and gains(result)[-1] < gains(result)[0],
        "bytes per token on held-out plays, of one vocabulary as it grows",
        "Sennrich, Haddow and Birch 2016, Neural machine translation of rare words with subword units, "
        "arXiv:1508.07909",
        link=Link("Watch the merges in Tokenizer", "Tokenizer", "Merge scrubber"),
    ),
    Step(
        "origins",
        "Does it matter what it was learned from?",
        f"Two vocabularies of {SMALL:,} tokens: one learns from plays, the other from the code of Python's own "
        "library. Both then cut a play that neither has read.",
        Slider("How many more tokens does the vocabulary of code need?", 0, 150, "%"),
        origins,
        explain_origins,
        lambda result: result.figures["more"] > 5 and result.figures["gpt2_tokens"] > result.figures["tokens"],
        "tokens of held-out plays in two vocabularies of one size, and in GPT-2's",
        "Sennrich, Haddow and Birch 2016, arXiv:1508.07909; Radford et al. 2019, Language models are unsupervised "
        "multitask learners, section 2.2",
        link=Link("Learn a vocabulary of your own", "Tokenizer", "Train one"),
    ),
)
LESSON = Lesson(
    "text-to-tokens",
    "From text to tokens",
    "Why “strawberry” hides its letters, why numbers are cut oddly, and why another vocabulary is cheaper for "
    "Shakespeare.",
    10,
    STEPS,
)
