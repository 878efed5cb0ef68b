"""The guided tour: eleven steps in which one sentence is followed from bytes to a vote."""

from dataclasses import asdict, dataclass
from typing import Any

from core.interpretability import activations
from playground.services.checkpoints import Checkpoints
from playground.ui.text import page_text, visible_token

SENTENCE = "But soft, what light through yonder"  # it breaks off, so that there is something to guess
GUESSES = 3  # of the next token


@dataclass(frozen=True)
class Stop:
    """A place on the page, and what is said there; `{...}` is filled with the figures of the sentence."""

    tab: str
    target: str  # a CSS selector
    title: str
    text: str
    part: str = ""  # the tab inside the tab
    prompt: bool = False  # whether the sentence becomes the prompt that is voted on


STOPS = (
    Stop(
        "Tokenizer",
        "#tokens",
        "A sentence is bytes, then tokens",
        "“{text}” is {bytes} bytes and, for {model}, {tokens} tokens. Point at a token to see its id; click it to see "
        "how it was built.",
    ),
    Stop(
        "Tokenizer",
        ".pg-scrub",
        "Tokens grow by merging",
        "Drag the slider: on the left are single bytes. The most frequent pairs merge, until syllables and words stand "
        "on the right.",
        part="Merge scrubber",
    ),
    Stop(
        "Attention",
        "#attention-heads",
        "Every head looks back in its own way",
        "The same {tokens} tokens pass through {heads} heads. Click one: its rows show where each token looks among "
        "those before it.",
    ),
    Stop(
        "Attention",
        "#attention-panels",
        "Attention is a product of two vectors",
        "A query times each key, divided by √d_k so that the softmax stays soft, gives the weights. All the numbers "
        "are here.",
        part="Q and K",
    ),
    Stop(
        "Attention",
        "#attention-panels",
        "The guess forms layer by layer",
        "The model's best guesses for the next token are {next}. Its loss on your sentence is {loss} nats per token: "
        "the larger, the more it was surprised.",
        part="Lens",
    ),
    Stop(
        "Train",
        "#train-start",
        "Training lowers the loss",
        "Press Start training: a small model learns Shakespeare in about a minute, and the curve is live. It goes on "
        "while you continue the tour.",
    ),
    Stop(
        "Chat",
        "#chat-text",
        "Text comes token by token",
        "Send your sentence, then switch the X-ray on: each token shows how likely it was, and what else could have "
        "stood there.",
    ),
    Stop(
        "Label",
        "#label-vote",
        "Your taste is data",
        "Two answers to your sentence: press 1 or 2 for the better one. Thirty such votes can change a model.",
        prompt=True,
    ),
    Stop(
        "Align",
        "#dpo-start",
        "Votes change the weights",
        "DPO makes the answers that you preferred likelier than the others. Once it runs, a picture shows what that "
        "gains and how far the model moves.",
        part="DPO",
    ),
    Stop(
        "Models",
        ".pg-library-list",
        "A family of models",
        "Everything that was made is here, from the first model to the aligned one, with what was measured of it.",
    ),
    Stop(
        "Learn",
        ":is(.pg-lesson-item, .pg-lesson-bar)",
        "Predict, run, see why",
        "Each lesson asks what you expect, measures it on the real model, and explains the difference, in about ten "
        "minutes. What would you like to do first?",
    ),
)


@dataclass(frozen=True)
class Onward:
    """Where the last step leads, and what its button says."""

    tab: str
    text: str


ONWARD = (
    Onward("Learn", "Begin a lesson"),
    Onward("Train", "Train a model"),
    Onward("Label", "Vote on answers"),
    Onward("Chat", "Chat"),
)


def script() -> dict[str, Any]:
    """All that is known of the tour before a model has seen the sentence, as the page wants it."""
    return {
        "stops": [asdict(stop) for stop in STOPS],
        "onward": [asdict(place) for place in ONWARD],
        "sentence": SENTENCE,
    }


def figures(checkpoints: Checkpoints, name: str, text: str) -> dict[str, Any]:
    """What the tour says of a sentence, as the model sees it. Raises ValueError if the model is gone."""
    loaded = checkpoints.load(name)
    model, tokenizer = loaded.model, loaded.tokenizer
    text = page_text(text).strip()[:200] or SENTENCE
    ids = tokenizer.encode(text)[: model.config.block_size]
    seen = activations.trace(model, ids)
    likely = activations.next_token(model, seen)
    best = likely.topk(GUESSES)
    return {
        "text": text,
        "model": name,
        "bytes": len(text.encode()),
        "tokens": len(ids),
        "heads": model.config.n_layer * model.config.n_head,
        "next": [
            (visible_token(tokenizer.token_bytes(token)), f"{100 * share:.0f} %")
            for token, share in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ],
        "loss": f"{float(activations.losses(model, seen).mean()):.2f}" if len(ids) > 1 else "not known",
    }
