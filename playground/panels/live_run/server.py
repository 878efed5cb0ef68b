"""The server functions of the live view: those that run.js calls."""

import base64
from collections.abc import Collection
from typing import Any

from playground.services.training_jobs import Jobs
from playground.ui.components import ServerFunction
from playground.ui.errors import server_function


def live_functions(jobs: Jobs, stages: Collection[str]) -> list[ServerFunction]:
    """follow_run, follow_details: what is new; other_runs: what can be laid over it, of the same `stages`;
    run_history, export_run: one run, whole.
    """

    @server_function
    def follow_run(request: dict[str, Any]) -> dict[str, Any]:
        return jobs.follow(request["name"], request["cursor"])

    @server_function
    def follow_details(request: dict[str, Any]) -> dict[str, Any]:
        return jobs.details(request["name"], request["offset"])

    @server_function
    def other_runs(request: dict[str, Any]) -> dict[str, Any]:
        return {"names": [name for name in jobs.names(stages) if name != request["name"]]}

    @server_function
    def run_history(request: dict[str, Any]) -> dict[str, Any]:
        return jobs.history(request["name"])

    @server_function
    def export_run(request: dict[str, Any]) -> dict[str, Any]:
        file, content = jobs.export(request["name"], request["kind"])
        return {"file": file, "content": base64.b64encode(content).decode()}

    return [follow_run, follow_details, other_runs, run_history, export_run]


def queue_functions(jobs: Jobs) -> list[ServerFunction]:
    """waiting_runs: those in the queue, of whatever stage; change_queue: what a person does about one."""

    @server_function
    def waiting_runs(_: dict[str, Any]) -> dict[str, Any]:
        return {"queue": jobs.queue()}

    @server_function
    def change_queue(request: dict[str, Any]) -> dict[str, Any]:
        jobs.change_queue(request["name"], request["action"])
        return {"queue": jobs.queue()}

    return [waiting_runs, change_queue]
