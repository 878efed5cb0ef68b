"""Configurations: validated when made, flat when written, and typed once."""

import argparse
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config import add_flags, leaves, names, value_type
from core.generate import Sampling
from core.model import GPTConfig
from core.presets import PRESETS
from core.stages.pretrain import PretrainConfig
from core.training.loop import FitConfig

CONFIGS = [GPTConfig, FitConfig, Sampling, PretrainConfig]
UNLIKE_THE_DEFAULTS = PretrainConfig.preset("mini", corpus="a/b.txt", attn_scale=0.5, seed=7, keep_best=True)


@pytest.mark.parametrize("config", [cls() for cls in CONFIGS] + [UNLIKE_THE_DEFAULTS])
def test_from_dict_is_the_inverse_of_to_dict(config):
    assert type(config).from_dict(config.to_dict()) == config


@pytest.mark.parametrize("cls", CONFIGS)
def test_no_name_occurs_twice_in_a_tree(cls):
    assert len(names(cls)) == len(set(names(cls)))


@pytest.mark.parametrize("cls", CONFIGS)
def test_what_is_missing_keeps_its_default(cls):
    assert cls.from_dict({}) == cls()


def test_a_nested_setting_changes_alone():
    changed = PretrainConfig.from_dict({"n_layer": 3})
    assert changed == dataclasses.replace(
        PretrainConfig(), model=dataclasses.replace(PretrainConfig().model, n_layer=3)
    )


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown setting n_layers; known: .*n_layer"):
        PretrainConfig.from_dict({"n_layers": 3})


@pytest.mark.parametrize(
    ("cls", "values", "sentence"),
    [
        (GPTConfig, {"n_layer": 0}, "n_layer must be between 1 and 200, got 0"),
        (GPTConfig, {"n_layer": 2.5}, "n_layer must be a whole number, got 2.5"),
        (GPTConfig, {"n_layer": True}, "n_layer must be a whole number, got True"),
        (GPTConfig, {"n_layer": None}, "n_layer must be a whole number, got None"),
        (GPTConfig, {"n_layer": "2"}, "n_layer must be a whole number, got '2'"),
        (GPTConfig, {"n_embd": 10, "n_head": 4}, "n_embd must be a multiple of n_head, got n_embd 10 and n_head 4"),
        (GPTConfig, {"activation_function": "relu"}, "activation_function must be one of gelu, gelu_new, got 'relu'"),
        (GPTConfig, {"dropout": 0.91}, "dropout must be between 0 and 0.9, got 0.91"),
        (FitConfig, {"weight_decay": -0.1}, "weight_decay must be at least 0, got -0.1"),
        (FitConfig, {"weight_decay": float("inf")}, "weight_decay must be at least 0, got inf"),
        (FitConfig, {"learning_rate": float("nan")}, "learning_rate must be between 0 and 10, got nan"),
        (FitConfig, {"warmup_steps": 11, "max_steps": 10}, "warmup_steps must be at most max_steps, got 11 and 10"),
        (Sampling, {"top_p": 0}, "top_p must be between 0.01 and 1, got 0.0"),
        (PretrainConfig, {"block_size": 0}, "block_size must be between 1 and 1,000,000, got 0"),
    ],
)
def test_a_bad_value_is_refused_in_a_sentence_with_field_and_value(cls, values, sentence):
    with pytest.raises(ValueError) as error:
        cls.from_dict(values)
    assert str(error.value) == sentence


JSON_VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**400, max_value=10**401)  # more than a float can hold
    | st.floats()
    | st.text(max_size=5)
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text(max_size=2), st.integers(), max_size=1)
)


@given(st.data())
def test_whatever_json_brings_is_taken_as_the_fields_type_or_refused_with_value_error(data):
    field = data.draw(st.sampled_from(list(leaves(PretrainConfig))), label="field")
    value = data.draw(JSON_VALUES, label="value")
    try:
        taken = PretrainConfig.from_dict({field.name: value}).to_dict()[field.name]
    except ValueError:
        return
    if field.name == "compile" and isinstance(value, bool):  # as older runs have it
        value = "on" if value else "off"
    assert taken is None or type(taken) is value_type(field)
    assert taken == value


def test_numbers_of_forms_become_the_fields_kind():
    config = FitConfig(max_steps=100.0, weight_decay=1)
    assert (type(config.max_steps), config.max_steps) == (int, 100)
    assert (type(config.weight_decay), config.weight_decay) == (float, 1.0)


def test_a_configuration_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        GPTConfig().n_layer = 3


def parse(arguments: list[str]) -> dict[str, object]:
    parser = argparse.ArgumentParser()
    add_flags(parser, PretrainConfig, PretrainConfig())
    return vars(parser.parse_args(arguments))


def as_flags(values: dict[str, object]) -> list[str]:
    typed = []
    for name, value in values.items():
        flag = name.replace("_", "-")
        typed += [f"--{'' if value else 'no-'}{flag}"] if isinstance(value, bool) else [f"--{flag}", str(value)]
    return typed


@pytest.mark.parametrize("config", [PretrainConfig(), UNLIKE_THE_DEFAULTS])
def test_flags_carry_a_whole_configuration(config):
    assert PretrainConfig.from_dict(parse(as_flags(config.to_dict()))) == config


def test_only_what_was_typed_is_taken_from_the_flags():
    assert parse(["--n-layer", "3", "--attn-scale", "none"]) == {"n_layer": 3, "attn_scale": None}


@pytest.mark.parametrize("name", PRESETS)
def test_every_shape_has_a_recipe(name):
    config = PretrainConfig.preset(name, seed=5)
    assert dataclasses.replace(config.model, dropout=0.0) == GPTConfig.preset(name)
    assert config.fit.seed == 5
