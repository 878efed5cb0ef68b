"""The server functions of a form: those that form.js calls."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.command_line import command_of
from core.datasets.labelled_files import read_columns
from core.stages.memory_fit import fitted_here, known_need
from core.training.run_directory import step_number
from playground.panels.stage_form import cost
from playground.panels.stage_form.fields import shown_values
from playground.panels.stage_form.spec import NONE, Spec, data_directory, paths, with_same_vocabulary
from playground.services import uploads
from playground.services.services import Services
from playground.ui.components import ServerFunction
from playground.ui.errors import server_function

FITTED = ("micro_batch_size", "recompute")
ASKS, FIT, ANYWAY = "", "fit", "anyway"  # what is to be done about a training that does not fit


def form_functions(spec: Spec, services: Services) -> list[ServerFunction]:
    """What a form can be filled with, what it costs, what the model will see, and its start."""
    return [*filling(spec, services), *looking(spec, services), starting(spec, services)]


def filling(spec: Spec, services: Services) -> list[ServerFunction]:
    """open_form: its first values; offers: what can be chosen now; preset, continue_run: values that go together;
    use_file: a file of the person's; fit_hardware: what makes it fit.
    """
    stage, jobs = spec.stage, services.jobs

    @server_function
    def open_form(_: dict[str, Any]) -> dict[str, Any]:
        values = shown_values(spec.defaults(services))
        return {"values": values, "name": free_name(spec, services), **offered(spec, services, values)}

    @server_function
    def offers(values: dict[str, Any]) -> dict[str, Any]:
        return offered(spec, services, values)

    @server_function
    def preset(request: dict[str, Any]) -> dict[str, Any]:
        assert stage.presets is not None
        chosen = request["preset"]
        if stage.has_preset_flag:
            return {"values": shown_values(stage.configure({}, chosen)), "name": jobs.free_names(chosen)[0]}
        return {"values": dict(stage.presets.recipes[chosen])}

    @server_function
    def continue_run(request: dict[str, Any]) -> dict[str, Any]:
        if not request["run"]:
            return {"name": free_name(spec, services)}
        config = stage.config.from_dict(jobs.run(request["run"]).read()[1])
        return {"values": shown_values(config), "name": jobs.free_names(f"{request['run']}-fork")[0]}

    @server_function
    def use_file(request: dict[str, Any]) -> dict[str, Any]:
        return {"path": str(uploads.keep(request["path"], data_directory(services)))}

    @server_function
    def fit_hardware(request: dict[str, Any]) -> dict[str, Any]:
        config, hardware = spec.parse(request["values"]), request["hardware"]
        fit = resolved(spec, services, config, lambda found: cost.fit_to_hardware(stage.name, found, hardware))
        return {"values": {name: getattr(fit, name) for name in FITTED}}

    return [open_form, offers, preset, continue_run, use_file, fit_hardware]


def looking(spec: Spec, services: Services) -> list[ServerFunction]:
    """plan: memory and time; preview: what the model will see; command: what the form will run."""
    stage = spec.stage

    @server_function
    def plan(values: dict[str, Any]) -> dict[str, Any]:
        busy, config = services.jobs.active(), spec.parse(values)
        planned: dict[str, Any] = resolved(spec, services, config, lambda found: cost.plan(stage.name, found))
        return planned | {"busy": busy.name if busy else "", "told": spec.status_text(services, config)}

    @server_function
    def preview(values: dict[str, Any]) -> dict[str, Any]:
        config = spec.parse(values)
        found: dict[str, Any] = resolved(spec, services, config, lambda known: cost.preview(stage.name, known))
        return found

    @server_function
    def command(request: dict[str, Any]) -> dict[str, Any]:
        directory = services.checkpoints.directory / (request["name"] or "NAME")
        return {"command": command_of(stage, directory, spec.parse(request["values"]))}

    return [plan, preview, command]


def starting(spec: Spec, services: Services) -> ServerFunction:
    stage, jobs = spec.stage, services.jobs

    @server_function
    def start(request: dict[str, Any]) -> dict[str, Any]:
        """{"run"} that was begun or waits; or {"asks"}, a sentence, if it does not fit and `answer` is ASKS."""
        name, begin = request["name"].strip(), request["begin"]
        config = spec.resolve(services, spec.parse(request["values"]), data_directory(services))
        need = known_need(stage, config)
        if need and not need.fits:
            if request["answer"] == ASKS:
                return {"asks": need.sentence()}
            if request["answer"] == FIT:
                fit = fitted_here(stage, config)
                config = type(config).from_dict(config.to_dict() | {name: getattr(fit, name) for name in FITTED})
        agreed = request["answer"] == ANYWAY
        if begin["run"]:
            run = jobs.fork(name, begin["run"], begin["step"], config, agreed)
        else:
            run = jobs.start(name, stage.name, config, agreed)
        changed = {name: getattr(config.fit, name) for name in FITTED} if request["answer"] == FIT else {}
        return {"run": run.name, "values": changed, "name": jobs.free_names(request["stem"] or spec.stem)[0]}

    return start


# --- what there is to choose from -----------------------------------------------------------------------------


def free_name(spec: Spec, services: Services) -> str:
    return services.jobs.free_names(spec.stem)[0]


def offered(spec: Spec, services: Services, values: dict[str, Any]) -> dict[str, Any]:
    """`choices` of each setting that names something, [label, value] each; `replaced`: values that are none any more;
    `forks`: the saved steps from which a run can go on.
    """
    choices: dict[str, list[Any]] = dict(spec.choices(services))
    replaced: dict[str, Any] = {}
    for name in spec.depending:  # only reward models that read what the parent writes; what was typed stays
        there = with_same_vocabulary(values["parent"], services)
        known = [path for _, path in paths(services.checkpoints.reward_models(), services)]
        if name in spec.stage.optional_settings:
            there = [NONE, *there]
        if values[name] not in [path for _, path in there] and (not values[name] or values[name] in known):
            replaced[name] = next((path for _, path in there), "")
        choices[name] = there
    if spec.columns:
        data = values[spec.stage.data]
        columns = [] if data in spec.stage.offers else read_columns(data)
        choices |= {name: [("recognised", ""), *columns] for name in spec.columns}
    pairs = {name: [one if isinstance(one, tuple) else (one, one) for one in some] for name, some in choices.items()}
    own = [services.jobs.run(name) for name in services.jobs.names([spec.stage.name])]
    forks = [{"run": run.name, "step": step_number(path)} for run in own for path in reversed(run.saved_steps())]
    return {"choices": pairs, "replaced": replaced, "forks": forks}


def resolved(spec: Spec, services: Services, config: Any, look: Callable[[Any], Any]) -> Any:
    """What `look` says of the configuration; files that it needs are there only meanwhile."""
    with tempfile.TemporaryDirectory() as scratch:
        return look(spec.resolve(services, config, Path(scratch)))
