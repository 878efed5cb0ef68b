"""The guided tour: ten steps in which one sentence is followed from bytes to a vote."""

from dataclasses import asdict, dataclass
from typing import Any

from core.interpretability import activations
from playground.services.checkpoints import Checkpoints
from playground.ui.text import page_text, visible_token

SENTENCE = "But soft, what light through yonder window breaks?"


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
        "«{text}» is {bytes} bytes, and {tokens} tokens to {model}. Point at one to see its id; click one to see how "
        "it was built.",
    ),
    Stop(
        "Tokenizer",
        ".pg-scrub",
        "Tokens grow by merging",
        "Drag the slider: from bytes on the left, the most frequent pairs merge, until syllables and words stand on "
        "the right.",
        part="Merge scrubber",
    ),
    Stop(
        "Attention",
        "#attention-heads",
        "Every head looks back in its own way",
        "The same {tokens} tokens went through {heads} heads. Click one: its row shows where each token looks among "
        "those before it.",
    ),
    Stop(
        "Attention",
        "#attention-panels",
        "A look is a product of two vectors",
        "A query times each key, divided by √d_k so that the softmax stays soft, gives the weights. All the numbers "
        "are here.",
        part="From Q and K to weights",
    ),
    Stop(
        "Attention",
        "#attention-panels",
        "Layer by layer, a guess ripens",
        "After the last token the model expects «{next}» ({share}). Its surprise at your sentence, the loss, is {loss} "
        "nats a token.",
        part="Logit lens",
    ),
    Stop(
        "Train",
        "#train-stages",
        "Training lowers the loss",
        "Press Start training: a small model learns Shakespeare in about a minute, and the curve beside it is live. "
        "You may go on meanwhile.",
    ),
    Stop(
        "Chat",
        "#chat-log",
        "Text comes token by token",
        "Send your sentence, then switch the X-ray on: each token shows how likely it was, and what else could have "
        "stood there.",
    ),
    Stop(
        "Label",
        "#label-vote",
        "Your taste is data",
        "Two answers to your sentence: press 1 or 2 for the better one. Thirty such votes are enough to bend a model.",
        prompt=True,
    ),
    Stop(
        "Align",
        "#align-parts",
        "Votes change the weights",
        "DPO makes the answers that you preferred likelier than the others; the picture shows what that gains and how "
        "far the model moves.",
    ),
    Stop(
        "Models",
        "#models-shelf",
        "A family grows",
        "All that was made stands here, from the vocabulary to the aligned model, with what was measured of it. The "
        "playground is yours.",
    ),
)


def stops() -> list[dict[str, Any]]:
    return [asdict(stop) for stop in STOPS]


def figures(checkpoints: Checkpoints, name: str, text: str) -> dict[str, Any]:
    """What the tour says of a sentence, as the model sees it. Raises ValueError if the model is gone."""
    loaded = checkpoints.load(name)
    model, tokenizer = loaded.model, loaded.tokenizer
    text = page_text(text).strip()[:200] or SENTENCE
    ids = tokenizer.encode(text)[: model.config.block_size]
    seen = activations.trace(model, ids)
    likely = activations.next_token(model, seen)
    best = int(likely.argmax())
    return {
        "text": text,
        "model": name,
        "bytes": len(text.encode()),
        "tokens": len(ids),
        "heads": model.config.n_layer * model.config.n_head,
        "next": visible_token(tokenizer.token_bytes(best)),
        "share": f"{100 * float(likely[best]):.0f} %",
        "loss": f"{float(activations.losses(model, seen).mean()):.2f}" if len(ids) > 1 else "not known",
    }
