"""Lesson 2, Q, K and V: one token asks, others answer, and one key decides where a head looks."""

from core.interpretability import activations
from core.interpretability.activations import Steps
from core.lessons.key_edit import KeyChange, partial_output_error, pass_with_edited_key, strongest_head, tokens_for
from core.model import GPT
from core.tokenizer import Tokenizer
from playground.tabs.learn.lesson import (
    Answer,
    Choice,
    Context,
    Facts,
    Head,
    Keys,
    Lesson,
    Link,
    Part,
    Progress,
    Result,
    Run,
    Slider,
    Step,
    Table,
)
from playground.ui.text import visible_spaces, visible_token

TEXT = "O Romeo, Romeo! wherefore art thou Romeo?\nDeny thy father and refuse thy"
REPEATED, FOLLOWER = " thy", " father"  # the last word has occurred before, and this came after it
PLACES = ("itself", "the token just before", "the first token", "what came after the earlier “thy”")
SOMETHING_ELSE = "another token"
SHARE = 0.9  # of the attention
TARGET = 1  # the token that the edited head is to look at: nobody's favourite


class Row:
    """What the model's strongest induction head does at the last token of TEXT."""

    def __init__(self, context: Context):
        loaded = context.services.checkpoints.load(context.model)
        self.model: GPT = loaded.model
        self.tokenizer: Tokenizer = loaded.tokenizer
        self.ids = self.tokenizer.encode(TEXT)[-self.model.config.block_size :]
        self.tokens = [visible_token(self.tokenizer.token_bytes(id)) for id in self.ids]
        self.query = len(self.ids) - 1
        self.place = strongest_head(self.model, "induction")
        self.seen = activations.trace(self.model, self.ids)

    @property
    def name(self) -> str:
        layer, head = self.place
        return f"layer {layer + 1}, head {head + 1}"

    def steps(self) -> Steps:
        return activations.steps(self.model, self.seen, *self.place, self.query)

    def weights(self) -> list[list[float]]:
        layer, head = self.place
        found: list[list[float]] = activations.attention_of(self.model, self.seen)[layer, head].tolist()
        return found

    def picture(self) -> Head:
        return Head(f"{self.name.capitalize()} of the model", self.tokens, self.weights(), self.query)


# --- where it looks ---------------------------------------------------------------------------------------------


def text_before(context: Context) -> tuple[Part, ...]:
    row = Row(context)
    return (Table("The text, as the model reads it", ("position", "token"), rows_of(row.tokens)),)


def rows_of(tokens: list[str]) -> list[list[str]]:
    return [[str(i), visible_spaces(token)] for i, token in enumerate(tokens, 1)]


def ask(context: Context) -> Run:
    yield Progress("reading the text")
    row = Row(context)
    weights, query = row.steps().weights, row.query
    earlier = [i for i, id in enumerate(row.ids[:query]) if id == row.ids[query]]
    positions = {PLACES[0]: [query], PLACES[1]: [query - 1], PLACES[2]: [0], PLACES[3]: [i + 1 for i in earlier]}
    shares = {name: sum(float(weights[i]) for i in set(at)) for name, at in positions.items()}
    outcome = next((name for name, at in positions.items() if int(weights.argmax()) in at), SOMETHING_ELSE)
    shown = [[name, f"{share:.2f}"] for name, share in shares.items()]
    return Result(
        {
            "follower": shares[PLACES[3]],
            "largest": float(weights.max()),
            "layer": row.place[0] + 1,
            "head": row.place[1] + 1,
        },
        outcome,
        (Table("Where the last token looks", ("token", "weight"), shown), row.picture()),
    )


def explain_ask(result: Result, prediction: Answer) -> str:
    found = result.figures
    return (
        f"Layer {found['layer']:.0f}, head {found['head']:.0f} gives {found['follower']:.2f} of its attention to "
        "what came after the earlier “thy”: the query of the last token asks who stood behind a copy of me, and that "
        f"token's key answers best. The weights of all tokens add up to 1, and the largest is {found['largest']:.2f}."
    )


# --- one row, from scores to the output -------------------------------------------------------------------------


def follow(context: Context) -> Run:
    yield Progress("following the row")
    row = Row(context)
    steps = row.steps()
    needed = tokens_for(steps.weights, SHARE)
    lengths = (steps.weights[:, None] * steps.v).norm(dim=-1)
    rows = [
        [
            visible_spaces(token),
            f"{steps.raw[i]:.2f}",
            f"{steps.scaled[i]:.2f}",
            f"{steps.weights[i]:.3f}",
            f"{lengths[i]:.3f}",
        ]
        for i, token in enumerate(row.tokens)
    ]
    return Result(
        {
            "needed": len(needed),
            "tokens": len(row.tokens),
            "error": partial_output_error(steps, needed),
            "low": float(steps.scaled.min()),
            "high": float(steps.scaled.max()),
            "all": partial_output_error(steps, list(range(len(row.tokens)))),
        },
        float(len(needed)),
        (
            Facts(
                (("tokens with 90 % of the weight", str(len(needed))), ("tokens that it sees", str(len(row.tokens))))
            ),
            Table(
                f"The last row of {row.name}",
                ("key", "score q · k", "÷ √d_k", "weight", "length of weight · v"),
                rows,
            ),
        ),
    )


def explain_follow(result: Result, prediction: Answer) -> str:
    found = result.figures
    return (
        f"The scores lie between {found['low']:.1f} and {found['high']:.1f}, and the softmax turns differences into "
        f"factors: {found['needed']:.0f} of {found['tokens']:.0f} tokens have nine tenths of the weight. The output "
        f"is the sum of weight times value, and these tokens alone give it up to {100 * found['error']:.0f} % of its "
        "length."
    )


# --- one key ----------------------------------------------------------------------------------------------------


def edit(context: Context) -> Run:
    yield Progress("editing one key", 0.0)
    row = Row(context)
    steps, (layer, head) = row.steps(), row.place
    found = KeyChange.towards(steps, row.query, TARGET, SHARE)
    yield Progress("running the model with it", 0.5)
    seen, weights = pass_with_edited_key(row.model, row.ids, row.place, TARGET, found.change)
    before, after = activations.next_token(row.model, row.seen), activations.next_token(row.model, seen)
    likeliest = [row.tokenizer.token_bytes(int(likely.argmax())) for likely in (before, after)]
    guesses = [visible_spaces(visible_token(token)) for token in likeliest]
    moved = float((before - after).abs().sum() / 2)
    name = row.tokens[TARGET].strip()
    return Result(
        {
            "length": 100 * found.length,
            "before": float(steps.weights[TARGET]),
            "after": float(weights[layer, head, row.query, TARGET]),
            "moved": moved,
        },
        100 * found.length,
        (
            Table(
                "What the model says next",
                ("key", "likeliest next token"),
                [["as it was", guesses[0]], ["edited", guesses[1]]],
            ),
            Head(f"With the key of “{name}” edited", row.tokens, weights[layer, head].tolist(), row.query),
            Keys(
                "Now choose the token yourself",
                row.tokens,
                row.query,
                steps.scaled.tolist(),
                float(steps.q.norm()),
                steps.k.norm(dim=-1).tolist(),
                steps.scale,
            ),
        ),
    )


def explain_edit(result: Result, prediction: Answer) -> str:
    found = result.figures
    return (
        f"Moved along the query by {found['length']:.0f} % of its own length, one key takes its token from "
        f"{found['before']:.2f} to {found['after']:.2f} of this head's attention: only the part of a key along the "
        f"query counts. One head of many changed so moves {100 * found['moved']:.0f} % of the probability of the "
        "next token."
    )


SOURCE = "Vaswani et al. 2017, Attention is all you need, arXiv:1706.03762, equation 1"
STEPS = (
    Step(
        "ask",
        "One token asks, others answer",
        "Each token makes three vectors. With its query it asks; with their keys the tokens before it answer; their "
        "values are what it gets.\n\nThe text ends with a word that it has said before. We look at the head of this "
        "model that is best at repetition.",
        Choice("Where does the last token, “thy”, look most in that head?", (*PLACES, SOMETHING_ELSE)),
        ask,
        explain_ask,
        lambda result: result.outcome == PLACES[3],
        "the weights of the last row in the model's strongest induction head",
        "Olsson et al. 2022, In-context learning and induction heads, arXiv:2209.11895",
        look=text_before,
        link=Link("See all heads in Attention", "Attention", "Head", typed=TEXT),
    ),
    Step(
        "row",
        "Follow one row to the output",
        "A score is the product of a query and a key, divided by √d_k. The softmax turns the scores of a row into "
        "weights that add up to 1, and the output is the sum of weight times value.",
        Slider("How many tokens does it take to have nine tenths of this row's weight?", 1, 25, "tokens", whole=True),
        follow,
        explain_follow,
        lambda result: result.figures["needed"] <= result.figures["tokens"] / 2 and result.figures["all"] < 1e-3,
        "scores, weights and values of that row, and the output without the faint tokens",
        SOURCE,
        look=lambda context: (Row(context).picture(),),
        link=Link("Every number, in Attention", "Attention", "Q and K", typed=TEXT),
    ),
    Step(
        "key",
        "Make it look where you want",
        "We leave the query as it is and change one key: that of the second token of the text, until it gets nine "
        "tenths of the attention. All other numbers stay.",
        Slider("By how much of its own length must that key change?", 1, 300, "%", log=True),
        edit,
        explain_edit,
        lambda result: abs(result.figures["after"] - SHARE) < 0.01 and result.figures["before"] < SHARE,
        "the shortest change of one key, then a whole pass of the model with it",
        SOURCE,
        look=lambda context: (Row(context).picture(),),
    ),
)
LESSON = Lesson(
    "qkv",
    "Q, K and V",
    "One token asks, others answer: follow one row to the output, and make a head look where you want by editing one "
    "key.",
    10,
    STEPS,
)
