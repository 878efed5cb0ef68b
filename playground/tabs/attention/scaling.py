"""The square root of d_k: what the factor on the scores does to a head, and to a training."""

import json
from dataclasses import asdict
from typing import Any

import torch

from core.interpretability import activations
from core.interpretability.activations import apply_causal_mask
from core.interpretability.attention_scaling import softmax_at, variance_by_width
from core.stages import pretrain
from core.stages.pretrain import PretrainConfig
from playground.services.services import Services
from playground.services.training_jobs import Jobs
from playground.tabs.attention.activation_cache import ActivationCache, ForwardPass, encoded, rounded
from playground.tabs.attention.scaling_figures import softmax_curves, two_losses, variance_curves
from playground.ui.components import view
from playground.ui.errors import server_function
from playground.ui.palette import SCALE

POWERS = [i / 20 for i in range(31)]  # of d_k: 0 no scaling, 0.5 the square root, beyond it too much
STEMS = ("scaled", "unscaled")
EXPERIMENT_STEPS = 300
# The models that are trained with and without the division: the preset's heads of 32, or one wide head a layer.
SHAPES: dict[str, dict[str, Any]] = {"narrow": {}, "wide": dict(n_embd=256, n_head=1)}
CONTROL = 256  # random queries and keys, enough for a smooth line


def raw_scores(look: ForwardPass, layer: int, head: int) -> torch.Tensor:
    """q . k of one head, (T, T)."""
    q, k, _ = activations.qkv(look.model, look.trace, layer)
    return (q[head] @ k[head].T).float().cpu()


def latest_pair(jobs: Jobs) -> list[str]:
    """The names of the latest two runs that differ in nothing but whether scores are scaled, the scaled one first."""
    latest: dict[bool, dict[str, str]] = {True: {}, False: {}}  # scaled or not -> all other settings -> run
    for name in jobs.names((pretrain.STAGE.name,)):
        try:
            config = jobs.run(name).read()[1]
        except ValueError:
            continue  # whoever picks it is told why
        scale = config.get("attn_scale")
        others = json.dumps({key: value for key, value in config.items() if key != "attn_scale"}, sort_keys=True)
        if scale in (None, 1.0):
            latest[scale is None].setdefault(others, name)
        if all(others in runs for runs in latest.values()):
            return [latest[True][others], latest[False][others]]
    return []


def build(looks: ActivationCache, services: Services) -> None:
    jobs = services.jobs

    @server_function
    def lab(request: dict[str, Any]) -> dict[str, Any]:
        look, layer, head = looks.at(request["key"]), request["layer"], request["head"]
        q, k, _ = (part[head].float().cpu() for part in activations.qkv(look.model, look.trace, layer))
        raw, d_k = raw_scores(look, layer, head), look.model.config.head_size
        found = [softmax_at(raw, d_k**-power) for power in POWERS]
        random = torch.randn(2, CONTROL, d_k, generator=torch.Generator().manual_seed(0))
        measured, control = variance_by_width(q, k), variance_by_width(random[0], random[1])
        return {
            "d_k": d_k,
            "softmax": softmax_curves(POWERS, found),
            "variance": variance_curves(rounded(measured), rounded(control)),
        }

    @server_function
    def at_power(request: dict[str, Any]) -> dict[str, Any]:
        look = looks.at(request["key"])
        scale = look.model.config.head_size ** -request["power"]
        raw = raw_scores(look, request["layer"], request["head"])
        with activations.rescale_attention(look.model, scale):
            loss = float(activations.losses(look.model, activations.trace(look.model, look.ids)).mean())
        weights = apply_causal_mask(raw * scale).softmax(-1)
        return asdict(softmax_at(raw, scale)) | {
            "factor": scale,
            "loss": loss,
            "usual_loss": look.loss,
            "weights": encoded(weights * 255, torch.uint8),
            "tokens": look.tokens,
            "scale": SCALE,
        }

    @server_function
    def experiment(request: dict[str, Any]) -> dict[str, Any]:
        """Start the two trainings of one of SHAPES if told to; the latest two, if any."""
        if request["start"]:
            changes = dict(max_steps=EXPERIMENT_STEPS, attn_scale=None, eval_interval=EXPERIMENT_STEPS, snapshots=0)
            changes |= SHAPES[request["start"]]
            configs = [PretrainConfig.preset("nano", **changes | {"attn_scale": scale}) for scale in (None, 1.0)]
            jobs.start_all(list(zip(jobs.free_names(*STEMS), configs, strict=True)), pretrain.STAGE.name)
        pair = latest_pair(jobs)
        return {"runs": pair, "figure": two_losses(pair or list(STEMS))}

    @server_function
    def follow(request: dict[str, Any]) -> dict[str, Any]:
        return jobs.follow(request["name"], request["cursor"])

    view("attention-scaling", "tabs/attention/scaling_lab.js", "pg-lab", functions=[lab, at_power])
    view("attention-experiment", "tabs/attention/two_trainings.js", "pg-experiment", functions=[experiment, follow])
