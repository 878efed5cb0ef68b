"""Before a training: which learning rate suits, and the proof that micro-batches change nothing."""

from collections.abc import Callable
from typing import Any

from core.stages.base import Stage
from playground.panels.live_run.curves import range_curve
from playground.panels.stage_form.panel import Tool
from playground.tabs.train.experiments import Experiments
from playground.ui.components import view
from playground.ui.errors import server_function


def tools(experiments: Experiments, stage: Stage) -> dict[str, Tool]:
    """The buttons at the settings that the experiments are about."""

    def starter(kind: str) -> Callable[[str, Any], None]:
        return lambda name, config: experiments.start(kind, name, config)

    return {
        "learning_rate": Tool("Find", f"{stage.name}-range", starter("range")),
        "micro_batch_size": Tool("Prove 1x64 = 8x8", f"{stage.name}-proof", starter("proof")),
    }


def build(experiments: Experiments) -> None:
    """What they have found, until it is closed."""

    @server_function
    def follow_experiment(_: dict[str, Any]) -> dict[str, Any]:
        return experiments.status()

    @server_function
    def stop_experiment(_: dict[str, Any]) -> dict[str, Any]:
        experiments.stop()
        return {}

    @server_function
    def close_experiment(_: dict[str, Any]) -> dict[str, Any]:
        experiments.forget()
        return {}

    functions = [follow_experiment, stop_experiment, close_experiment]
    view("lab-view", "tabs/train/experiment.js", "pg-lab", functions=functions, figure=range_curve())
