"""What is left of a model whose weights are rounded as a page holds them."""

import copy

import torch

from core.html_file import kind_of, round_rows
from core.model import GPT


def rounded(model: GPT) -> GPT:
    """A copy of the model with the weights that its page has."""
    model = copy.deepcopy(model).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            kind = kind_of(name, parameter)
            if kind == "float16":
                parameter.copy_(parameter.half())
            elif kind == "int8":
                scales, steps = round_rows(parameter)
                parameter.copy_(steps * scales[:, None])
    return model
