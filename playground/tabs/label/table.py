"""All votes: to find, to change, to delete, to take away as a file and to bring along."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gradio as gr

from core.config import plural
from core.datasets.conversation_files import write_conversations
from core.datasets.preference_files import Preference, export_preferences, read_preferences
from core.datasets.thumbs import count_thumbs, read_feedback, write_thumbs
from core.preferences.vote_store import (
    CHOICES,
    CRITERIA,
    DECIDED,
    SOURCES,
    STRENGTHS,
    Vote,
    Votes,
    as_preferences,
    unknown_criteria,
)
from playground.panels.voting.panel import describe_sampling, describe_writer
from playground.services.services import Services
from playground.services.vote_learners import learners, train_without_votes
from playground.ui.components import about, view
from playground.ui.errors import explain, server_function
from playground.ui.scripts import ASSETS
from playground.ui.text import page_text, sentence

PAGE_ROWS = 10
NAMED = 5  # of what is left out of a file
# What `python -m core votes simulate checkpoints/bard-chat --rule question --count 100 --seed 1` gives, exported.
EXAMPLE = "preferences-example.jsonl"
VERDICTS = [  # what a vote can be changed to: choice, margin, in words
    *((choice, margin, f"{CHOICES[choice].short}, {much}") for choice in DECIDED for margin, much in STRENGTHS.items()),
    *((choice, 0, about.short) for choice, about in CHOICES.items()),
]
EXAMPLE_ANNOTATOR = "example: asks a question (a rule, not a person)"


def found(votes: Votes, request: dict[str, Any]) -> list[Vote]:
    """The standing votes that a search is after, the latest first."""
    wanted = page_text(request["search"]).lower()
    standing = votes.standing(request["annotator"] or None, request["source"] or None)
    return [
        vote
        for vote in reversed(standing)
        if request["choice"] in ("", vote.choice)
        and request["criterion"] in ("", vote.criterion)
        and (not wanted or wanted in searched(vote))
    ]


def searched(vote: Vote) -> str:
    pair = vote.pair
    parts = (
        pair.prompt_text,
        pair.left.text,
        pair.right.text,
        pair.left.model,
        pair.right.model,
        vote.note,
        vote.annotator,
    )
    return "\n".join(parts).lower()


def row(vote: Vote) -> dict[str, Any]:
    pair = vote.pair
    return {
        "id": vote.id,
        "created": vote.created,
        "annotator": vote.annotator,
        "choice": vote.choice,
        "margin": vote.margin,
        "criterion": vote.criterion,
        "seconds": vote.milliseconds / 1000,
        "note": vote.note,
        "prompt": pair.prompt_text,
        "answers": [[answer.text, describe_writer(answer)] for answer in (pair.left, pair.right)],
        "source": pair.source,
        "origin": describe_sampling(pair),
        "again": pair.swaps is not None,
    }


def build(services: Services) -> None:
    votes = services.preferences

    @server_function
    def find_votes(request: dict[str, Any]) -> dict[str, Any]:
        matching = found(votes, request)
        pages = max(1, -(-len(matching) // PAGE_ROWS))
        at = min(max(request["page"], 0), pages - 1)
        return {
            "rows": [row(vote) for vote in matching[at * PAGE_ROWS : (at + 1) * PAGE_ROWS]],
            "count": len(matching),
            "annotators": sorted(votes.annotators().items()),
            "criteria": sorted({vote.criterion for vote in votes.standing()}),
            "page": at,
            "pages": pages,
            "trouble": votes.trouble or "",
            "thumbs": count_thumbs(thumbs) if (thumbs := votes.thumbs.all()) else "",
            "edits": len(votes.edits()),
        }

    @server_function
    def delete_votes(request: dict[str, Any]) -> dict[str, Any]:
        """One vote, or all that a search finds."""
        matching = found(votes, request)
        chosen = [vote for vote in matching if vote.id == request["id"]] if "id" in request else matching
        for vote in chosen:
            services.labelling.delete(f"{request['key']}-{vote.id}", vote)
        return {"deleted": [vote.id for vote in chosen]}

    @server_function
    def find_learners(request: dict[str, Any]) -> dict[str, Any]:
        """Which models learned from votes that are deleted."""
        return {"learners": [asdict(one) for one in learners(services.jobs, deleted(request["votes"]))]}

    @server_function
    def train_again(request: dict[str, Any]) -> dict[str, Any]:
        """The training of a model once more, without votes that are deleted."""
        return {"made": train_without_votes(services.jobs, request["model"], deleted(request["votes"]))}

    def deleted(ids: list[int]) -> list[Preference]:
        return as_preferences(votes.deleted(set(ids)))

    @server_function
    def change_vote(request: dict[str, Any]) -> dict[str, Any]:
        vote = next((vote for vote in votes.standing() if vote.id == request["id"]), None)
        if vote is None:
            raise ValueError("this vote is not there any more: it was undone, deleted or changed meanwhile")
        services.labelling.change(request["key"], vote, request["choice"], float(request["margin"]))
        return {}

    @server_function
    def export_votes(request: dict[str, Any]) -> dict[str, Any]:
        pairs = as_preferences(reversed(found(votes, request)))
        with tempfile.TemporaryDirectory() as directory:
            written = export_preferences(Path(directory) / "votes.jsonl", pairs, request["ties"])
            files = [[path.name, path.read_text(encoding="utf-8"), count] for path, count in written.items()]
        return {"files": files, "ties": 0 if request["ties"] else sum(pair.tie for pair in pairs)}

    @server_function
    def export_single(request: dict[str, Any]) -> dict[str, Any]:
        """All thumbs, or all edited answers as conversations: what is about one answer alone."""
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / f"{request['what']}.jsonl"
            if request["what"] == "thumbs":
                count = write_thumbs(path, votes.thumbs.all())
            else:
                edits = votes.edits()
                write_conversations(path, edits)
                count = len(edits)
            return {"files": [[path.name, path.read_text(encoding="utf-8"), count]], "ties": 0}

    def use_file(path: str) -> str:
        read = read_feedback(path, skip_bad_lines=True)
        problems = [*unknown_criteria(read.pairs), *read.recognised.sentences]
        annotator = f"file: {page_text(read.name)}"
        count, thumbs = votes.import_preferences(read.pairs, annotator), votes.thumbs.add(read.thumbs, annotator)
        added = "1 preference was added" if count == 1 else f"{count:,} preferences were added"
        if read.thumbs:
            added += f" and {plural(thumbs, 'thumb')}"
        said = [f"{page_text(read.name)}: {added}, of {read.recognised.records:,} records.", *problems[:NAMED]]
        if len(problems) > NAMED:
            said.append(f"And {len(problems) - NAMED:,} more.")
        return " ".join(sentence(page_text(one)) for one in said)

    def load_example() -> str:
        count = votes.import_preferences(example(), EXAMPLE_ANNOTATOR, "example")
        if not count:
            return "The example is there already."
        return f"{count} votes by the rule “asks a question” were added; their annotator's name says so."

    with gr.Row(elem_classes="pg-toolbar"):
        about(
            "Every vote, with the answers as they stood. Change one, search for a word, export what is found for "
            "another tool, or load the example before your first vote. A model is trained on them in the Align tab.",
            "All votes",
        )
        upload = gr.UploadButton("Import a file", elem_id="votes-import", size="sm", min_width=140)
        load = gr.Button("Load the example votes", elem_id="votes-example", size="sm", min_width=180)
    shown = view(
        "votes-table",
        "tabs/label/table.js",
        "pg-votes",
        "Reading the votes …",
        [find_votes, change_vote, delete_votes, find_learners, train_again, export_votes, export_single],
        choices={choice: about.short for choice, about in CHOICES.items()},
        sources=SOURCES,
        criteria=CRITERIA,
        verdicts=VERDICTS,
    )
    quiet: dict[str, Any] = {"show_progress": "hidden"}
    upload.upload(report(use_file), upload, shown, api_name="import_votes", **quiet)
    load.click(report(load_example), None, shown, api_name="load_example", **quiet)


def report(work: Callable[..., str]) -> Callable[..., dict[str, Any]]:
    """What `work` comes to, or why it failed, as the line above the table says it."""

    def call(*args: Any) -> dict[str, Any]:
        try:
            return {"note": work(*args), "failed": False, "at": time.time()}
        except Exception as error:
            return {"note": explain(error), "failed": True, "at": time.time()}

    return call


def example() -> list[Any]:
    return read_preferences(ASSETS / EXAMPLE).pairs
