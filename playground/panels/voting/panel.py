"""Voting, wherever the page asks for it: a prompt, two answers, and a key for each thing one may think of them."""

import statistics
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from core.preferences.vote_store import CHOICES, DECIDED, MUCH, SLIGHT, STRENGTHS, Answer, Pair, Vote
from playground.panels.voting.annotator_stats import score_prediction
from playground.services.labelling.voting_session import Labelling, Offer
from playground.services.labelling.voting_settings import VotingSettings
from playground.ui.components import view
from playground.ui.errors import server_function
from playground.ui.text import page_text, sentence

NOBODY = "me"  # who votes without a name
LONGEST_NAME, LONGEST_NOTE, LONGEST_TIME = 60, 2000, 86_400_000  # characters, characters, ms
KEYS = {  # that vote, as a browser calls them, and how they are written on the button
    "left": (["1", "ArrowLeft"], "1 or ←"),
    "right": (["2", "ArrowRight"], "2 or →"),
    "tie": (["3"], "3"),
    "bad": (["4"], "4"),
    "skip": (["0"], "0"),
}


def voting(
    labelling: Labelling,
    prefix: str,
    read: Callable[[dict[str, Any]], VotingSettings],
    empty: str = "",
    trains: bool = False,
    criteria: Mapping[str, str] | None = None,
) -> gr.HTML:
    """The component `prefix`. What is voted on is in its value, from which `read` makes the settings.

    The value may hold a "goal", the number of votes to give; where the page `trains`, a button then leads there. With
    `criteria`, {name: in words}, the person chooses one, which is added as "criterion". The event `changed` fires after
    each vote and each undo.
    """

    @server_function
    def next_pair(request: dict[str, Any]) -> dict[str, Any]:
        settings, who = read(request["wish"]), name(request["annotator"])
        return describe_offer(
            labelling, labelling.offer(request["window"], who, settings, request["holding"]), settings, who
        )

    @server_function
    def cast_vote(request: dict[str, Any]) -> dict[str, Any]:
        settings, who = read(request["wish"]), name(request["annotator"])
        cast = labelling.cast(
            request["window"],
            who,
            settings,
            request["key"],
            int(request["pair"]),
            request["choice"],
            min(max(0, int(request["milliseconds"])), LONGEST_TIME),
            page_text(request["note"]).strip()[:LONGEST_NOTE],
            float(request.get("margin", 0)),  # one that was not sent before an update has none
        )
        return describe_offer(labelling, cast.offer, settings, who) | {"last": vote_feedback(cast.vote)}

    @server_function
    def undo_vote(request: dict[str, Any]) -> dict[str, Any]:
        settings, who = read(request["wish"]), name(request["annotator"])
        offer = labelling.undo(request["window"], who, settings, request["key"])
        return describe_offer(labelling, offer, settings, who) | {"last": feedback("Taken back: vote again.")}

    return view(
        prefix,
        "panels/voting/voting.js",
        "pg-voting",
        empty,
        [next_pair, cast_vote, undo_vote],
        events=["changed"],
        prefix=prefix,
        trains=trains,
        criteria=dict(criteria or {}),
        **controls(),
    )


def controls() -> dict[str, Any]:
    """What the page needs to build the buttons and boxes of a vote: see VotingControls in screen.js."""
    choices = [
        {
            "choice": choice,
            "text": about.label,
            "keys": KEYS[choice][0],
            "hint": KEYS[choice][1],
            "graded": choice in DECIDED,
        }
        for choice, about in CHOICES.items()
    ]
    margins = {"slight": SLIGHT, "much": MUCH}
    return {
        "choices": choices,
        "margins": margins,
        "nobody": NOBODY,
        "longestName": LONGEST_NAME,
        "longestNote": LONGEST_NOTE,
    }


def name(typed: str) -> str:
    """Of an annotator, as it is kept."""
    return " ".join(page_text(typed).split())[:LONGEST_NAME] or NOBODY


def describe_offer(labelling: Labelling, offer: Offer, settings: VotingSettings, annotator: str) -> dict[str, Any]:
    """What the page is told: the pair without what would give away its models, and how far the person is."""
    votes = labelling.standing_votes(annotator)
    given = [vote for vote in votes if settings.covers(vote) and vote.choice != "skip"]
    return {
        "pair": describe_pair(offer.pair) if offer.pair else None,
        "trouble": sentence(offer.trouble) if offer.trouble else "",
        "note": offer.note,
        "count": len(given),
        "undoable": any(map(settings.covers, votes)),
        "seconds": statistics.median(vote.milliseconds for vote in given) / 1000 if given else None,
    }


def describe_pair(pair: Pair) -> dict[str, Any]:
    return {
        "id": pair.id,
        "prompt": pair.prompt_text,
        "left": pair.left.text,
        "right": pair.right.text,
        "origin": f"{describe_writers(pair)} · {describe_sampling(pair)}",
    }


def describe_writers(pair: Pair) -> str:
    """Who wrote a pair, without saying who wrote which answer."""
    left, right = pair.left, pair.right
    if left.writer != right.writer:
        return "Two models; your vote reveals their names"
    if left.version == right.version:
        return f"Both by {describe_writer(left)}"
    old, new = sorted((left, right), key=lambda answer: answer.version)
    against = f"version {old.version}" if old.version else "the model it began as"
    return f"{left.model}, version {new.version}, and {against}; your vote reveals which is which"


def describe_writer(answer: Answer) -> str:
    """The model, and which version of it, if it has learned while it was voted on."""
    return f"{answer.writer}, version {answer.version}" if answer.version else answer.writer


def describe_sampling(pair: Pair) -> str:
    """How a pair was drawn, in words."""
    words = {"temperature": "temperature {:g}", "top_p": "top p {:g}", "max_new_tokens": "at most {:,} tokens"}
    drawn = [text.format(pair.sampling[name]) for name, text in words.items() if name in pair.sampling]
    return " · ".join([*drawn, f"seeds {pair.left.seed} and {pair.right.seed}"]) if drawn else "from a file"


def describe_margin(margin: float) -> str:
    """How much better an answer was called, in words; one from a file may have any margin."""
    return STRENGTHS.get(margin, f"better by a margin of {margin:g}") if margin else ""


def vote_feedback(vote: Vote | None) -> dict[str, str]:
    """What is said after a vote: what was chosen, what had been expected, and whose answers they were."""
    if vote is None:
        return feedback("This pair had your vote already, from another window: it was not counted twice.")
    much, mood = describe_margin(vote.margin), ""
    text = f"You chose {CHOICES[vote.choice].spoken}{f', {much},' if much else ''}"
    text += f" after {vote.milliseconds / 1000:.1f} s."
    scored = score_prediction(vote)
    if scored:
        expected, certainty = CHOICES[scored["expected"]].short, f"{100 * scored['probability']:.0f} %"
        text += f" The taste predictor expected {expected} ({certainty})"
        if scored["right"] is not None:
            mood = "right" if scored["right"] else "wrong"
            text += f": {mood}, {scored['bits']:.1f} bits of surprise"
        text += "."
    left, right = describe_writer(vote.pair.left), describe_writer(vote.pair.right)
    return feedback(text, f"A was {left}, B was {right}." if left != right else "", mood)


def feedback(text: str, names: str = "", mood: str = "") -> dict[str, str]:
    return {"text": text, "names": names, "mood": mood}
