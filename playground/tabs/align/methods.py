"""Which method, when? DPO, PPO, GRPO and best-of-n in one picture: one part of the page, which a script draws."""

from typing import Any

from core.config import leaves
from core.method_comparison_file import BEST_OF_N, METHODS, MethodsConfig
from core.preferences.rule_annotators import RULES
from core.stages.registry import DPO, GRPO, PPO
from playground.panels.stage_form.fields import describe
from playground.services.services import Services
from playground.tabs.align.method_comparisons import MethodComparisons
from playground.tabs.align.pictures import KL
from playground.ui.components import view
from playground.ui.errors import explain, server_function
from playground.ui.form_values import parse
from playground.ui.palette import BLUE, GREEN, ORANGE, PURPLE

MAIN = ("parent", "rule", "votes", "length", "prompts")  # the settings that are in sight
# Of each method, the colour and the symbol: one that cannot tell the colours apart has the symbols.
LOOKS = {
    BEST_OF_N: (PURPLE, "diamond"),
    DPO: (BLUE, "circle"),
    PPO: (ORANGE, "square"),
    GRPO: (GREEN, "triangle-up"),
}


def build(services: Services) -> None:
    comparisons = MethodComparisons(services.checkpoints, services.jobs)

    @server_function
    def open_methods(_: dict[str, Any]) -> dict[str, Any]:
        """What can be chosen from, and what is chosen at first."""
        known = services.checkpoints
        models = [[name, str(known.roots.path(name))] for name in known.chat_names()]
        rules = [[f"{rule.title} ({name})", name] for name, rule in RULES.items()]
        values = MethodsConfig().to_dict() | ({"parent": models[0][1]} if models else {})
        return {"values": values, "choices": {"parent": models, "rule": rules}}

    @server_function
    def plan_methods(values: dict[str, Any]) -> dict[str, Any]:
        return {"seconds": comparisons.seconds(parse(MethodsConfig, values))}

    @server_function
    def start_methods(values: dict[str, Any]) -> dict[str, Any]:
        return {"name": comparisons.start(parse(MethodsConfig, values))}

    @server_function
    def stop_methods(request: dict[str, Any]) -> dict[str, Any]:
        comparisons.stop(request["name"])
        return {}

    @server_function
    def follow_methods(request: dict[str, Any]) -> dict[str, Any]:
        """The comparison that is asked for, else the latest one; and which there are, also if that one is damaged."""
        kept = comparisons.kept()
        name = request["name"] or (kept[0][0] if kept else "")
        found: dict[str, Any] = {"kept": kept, "name": name, "shown": None}
        try:
            return found | ({"shown": comparisons.status(name)} if name else {})
        except ValueError as error:
            return found | {"error": explain(error)}

    view(
        "methods-view",
        "tabs/align/methods.js",
        "pg-methods",
        empty="Reading what there is …",
        functions=[open_methods, plan_methods, start_methods, stop_methods, follow_methods],
        fields=[describe(f, f.name in MAIN) | named(f.name) for f in leaves(MethodsConfig)],
        methods={name: {"title": METHODS[name], "color": c, "symbol": symbol} for name, (c, symbol) in LOOKS.items()},
        kl=KL,
    )


def named(setting: str) -> dict[str, str]:
    """A rule is chosen by what it likes."""
    return {"kind": "name"} if setting == "rule" else {}
