"""The server functions of the live view: those that its scripts call."""

import base64
from collections.abc import Callable, Collection
from dataclasses import asdict
from functools import partial
from statistics import mean
from typing import Any

from core.checkpoint import read_card
from core.datasets.instructions import words
from core.diagnostics.verdict import COMPARE, VOTE
from core.stages.registry import STAGES, verdict
from core.training.run_directory import DAMAGED
from playground.panels.live_run.curves import curves
from playground.panels.live_run.skills import RunSkills
from playground.services.run_export import Exports
from playground.services.run_overview import RunOverview
from playground.services.services import Services
from playground.services.training_jobs import stage
from playground.ui.components import ServerFunction
from playground.ui.errors import server_function

NEED_PARENT = (COMPARE, VOTE)  # of what a verdict leads to


def live_functions(
    services: Services, stages: Collection[str], figure: Callable[[], dict[str, Any]]
) -> list[ServerFunction]:
    return [*following(services, stages, figure), *learning(services), *one_run(services, stages), *steering(services)]


def following(
    services: Services, stages: Collection[str], figure: Callable[[], dict[str, Any]]
) -> list[ServerFunction]:
    """first_run: the one that is looked at when the page opens; open_run: how it is drawn; follow_run, follow_details:
    what is new; findings: what the doctor says; outcome: the verdict, once it has ended, and the model it began from.
    """
    jobs = services.jobs

    @server_function
    def first_run(request: dict[str, Any]) -> dict[str, Any]:
        names, active = jobs.names(stages), jobs.active()
        if request["wanted"] in names:
            return {"run": request["wanted"]}
        if active and active.name in names:
            return {"run": active.name}
        return {"run": next(filter(is_whole, names), next(iter(names), None))}  # a damaged one hides no other

    def is_whole(name: str) -> bool:
        return stage(jobs.run(name)) in stages and jobs.status(name).state != DAMAGED

    @server_function
    def open_run(request: dict[str, Any]) -> dict[str, Any]:
        return {"figure": curves(jobs.stage(request["name"])) | figure()}

    @server_function
    def follow_run(request: dict[str, Any]) -> dict[str, Any]:
        return jobs.follow(request["name"], request["cursor"])

    @server_function
    def follow_details(request: dict[str, Any]) -> dict[str, Any]:
        found = jobs.details(request["name"], request["offset"])
        lines = [{key: value for key, value in line.items() if key != "skills"} for line in found["lines"]]
        return found | {"lines": [line | length_of_answers(line) for line in lines]}

    @server_function
    def findings(request: dict[str, Any]) -> dict[str, Any]:
        return {"findings": [asdict(finding) | {"saved": saved} for finding, saved in jobs.findings(request["name"])]}

    @server_function
    def outcome(request: dict[str, Any]) -> dict[str, Any]:
        found = verdict(jobs.run(request["name"]))
        if found is None:
            return {"verdict": None}
        parent = read_card(jobs.run(request["name"]).directory / "card.json").parent
        there = parent in services.checkpoints.names()
        actions = [action for action in found.actions if there or action not in NEED_PARENT]
        return {"verdict": asdict(found) | {"actions": actions}, "before": parent if there else None}

    return [first_run, open_run, follow_run, follow_details, findings, outcome]


def learning(services: Services) -> list[ServerFunction]:
    """skills: what a run has learned; measure_skills: the same, after what it has not measured itself was; cut_out: a
    head, and what that costs.
    """
    found = RunSkills(services.jobs)

    @server_function
    def skills(request: dict[str, Any]) -> dict[str, Any]:
        return found.learned(request["name"])

    @server_function
    def measure_skills(request: dict[str, Any]) -> dict[str, Any]:
        return found.measure(request["name"])

    @server_function
    def cut_out(request: dict[str, Any]) -> dict[str, Any]:
        layer, head = request["head"]
        return found.cut_out(request["name"], (int(layer), int(head)))

    return [skills, measure_skills, cut_out]


def length_of_answers(line: dict[str, Any]) -> dict[str, float]:
    """How many `words` the answers of a line of details.jsonl have on average, if it holds answers."""
    answers = line.get("answers") or []
    return {"words": mean(len(words(answer["text"])) for answer in answers)} if answers else {}


def one_run(services: Services, stages: Collection[str]) -> list[ServerFunction]:
    """other_runs: what can be laid over it, of the same `stages`; list_runs: all of them, as a table; run_history,
    export_run: one, whole; run_log: what it has written for people, and the command that trains the same.
    """
    jobs, overview, exports = services.jobs, RunOverview(services.jobs), Exports()

    @server_function
    def other_runs(request: dict[str, Any]) -> dict[str, Any]:
        return {"names": [name for name in jobs.names(stages) if name != request["name"]]}

    @server_function
    def list_runs(_: dict[str, Any]) -> dict[str, Any]:
        return {"runs": overview.rows(stages)}

    @server_function
    def run_history(request: dict[str, Any]) -> dict[str, Any]:
        return jobs.history(request["name"])

    @server_function
    def export_run(request: dict[str, Any]) -> dict[str, Any]:
        """A part of the file; without a key the first one, of a file that is made now."""
        key = request["key"] or exports.begin(partial(jobs.export, request["name"], request["kind"]))
        file, content, is_end = exports.part(key, request["offset"])
        following = {"key": key, "offset": request["offset"] + len(content)}
        return {"file": file, "content": base64.b64encode(content).decode(), "next": None if is_end else following}

    @server_function
    def run_log(request: dict[str, Any]) -> dict[str, Any]:
        return {"log": jobs.log_text(request["name"]), "command": jobs.command(request["name"])}

    return [other_runs, list_runs, run_history, export_run, run_log]


def steering(services: Services) -> list[ServerFunction]:
    """steer: pause, resume or stop a run; fork: go on with other settings; rename_run, delete_run; waiting_runs: those
    in the queue, of whatever stage; change_queue: what a person does about one.
    """
    jobs = services.jobs

    @server_function
    def steer(request: dict[str, Any]) -> dict[str, Any]:
        if request["action"] == "resume":
            jobs.resume(request["name"])
        else:
            jobs.request(request["name"], request["action"])
        return {}

    @server_function
    def fork(request: dict[str, Any]) -> dict[str, Any]:
        stage, values = jobs.run(request["name"]).read()
        config = STAGES[stage].config.from_dict(values | request["changes"])
        name = jobs.free_names(f"{request['name']}-fork")[0]
        return {"run": jobs.fork(name, request["name"], request["step"], config).name}

    @server_function
    def rename_run(request: dict[str, Any]) -> dict[str, Any]:
        services.workspace.rename(request["name"], request["new"].strip())
        return {"run": request["new"].strip()}

    @server_function
    def delete_run(request: dict[str, Any]) -> dict[str, Any]:
        services.workspace.throw_away(request["name"])
        return {}

    @server_function
    def waiting_runs(_: dict[str, Any]) -> dict[str, Any]:
        return {"queue": jobs.queue()}

    @server_function
    def change_queue(request: dict[str, Any]) -> dict[str, Any]:
        jobs.change_queue(request["name"], request["action"])
        return {"queue": jobs.queue()}

    return [steer, fork, rename_run, delete_run, waiting_runs, change_queue]
