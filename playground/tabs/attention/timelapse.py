"""Time-lapse: the heads of a run at its snapshots, beside its loss."""

from typing import Any

from core.training.long_log import LongLog
from core.training.run_directory import step_number
from playground.services.services import Services
from playground.tabs.attention.activation_cache import ActivationCache, head_grid
from playground.tabs.attention.timelapse_figures import timelapse
from playground.ui.components import view
from playground.ui.errors import server_function

MOST_POINTS = 600


def build(looks: ActivationCache, services: Services) -> None:
    checkpoints = looks.checkpoints

    def runs() -> list[str]:
        return [name for name in checkpoints.names() if checkpoints.run(name).snapshots()]

    @server_function
    def begin(request: dict[str, Any]) -> dict[str, Any]:
        """The run to show: the one asked for, or else the chosen model's, or else one that kept snapshots."""
        model, names = request["key"]["model"], runs()
        if not names:
            raise ValueError(
                "no model here kept snapshots: train one with the setting snapshots above 0, then come back"
            )
        name = next(n for n in (request["run"], model, names[0]) if n in names)
        run = checkpoints.run(name)
        steps = [step_number(path) for path in run.snapshots()]
        lines = LongLog(run.metrics).read().lines
        thin = max(1, len(lines) // MOST_POINTS)
        kept = [line for i, line in enumerate(lines) if i % thin == 0 or "loss/val" in line]
        note = f"{model} kept no snapshots, so this is {name}." if name not in (model, request["run"]) else ""
        return {"runs": names, "run": name, "steps": steps, "figure": timelapse(kept, steps), "note": note}

    @server_function
    def frame(request: dict[str, Any]) -> dict[str, Any]:
        look = looks.at({"model": request["run"], "text": request["key"]["text"], "step": request["step"]})
        strongest = round(float(look.known.scores["induction"].max()), 4)
        return head_grid(look) | {"induction": strongest}

    view("attention-timelapse", "tabs/attention/timelapse.js", "pg-timelapse", functions=[begin, frame])
