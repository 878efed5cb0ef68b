"""The settings of the tab: every one has a control, and a preset says all that it changes."""

import pytest

from core.generate import Sampling
from playground.tabs.chat.settings import MAIN, PRESETS, Preset, defaults, fields, sampling


def test_every_setting_of_sampling_has_a_control_and_what_they_hold_at_first_is_the_default() -> None:
    found = fields()
    assert {field["name"] for field in found} == set(Sampling().to_dict())
    assert tuple(field["name"] for field in found if field["main"]) == MAIN
    assert next(field["range"] for field in found if field["name"] == "top_p") == [0.01, 1.0, 0.01]
    assert sampling(defaults()) == Sampling()


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_a_preset_leaves_length_and_seed_and_settles_all_else(preset: Preset) -> None:
    held = defaults() | {"max_new_tokens": 7, "seed": 3, "top_k": 5, "min_p": 0.2, "repetition_penalty": 2.0}
    chosen = sampling(held | preset.values)
    assert (chosen.max_new_tokens, chosen.seed, chosen.top_k, chosen.min_p) == (7, 3, 0, 0.0)
    assert chosen.repetition_penalty == 1.0


def test_the_models_own_probabilities_are_drawn_from_as_they_are() -> None:
    own = next(preset for preset in PRESETS if preset.name == "The model's own").sampling
    assert (own.temperature, own.top_p, own.top_k, own.min_p, own.repetition_penalty) == (1.0, 1.0, 0, 0.0, 1.0)
    assert len({tuple(preset.values.items()) for preset in PRESETS}) == len(PRESETS)
