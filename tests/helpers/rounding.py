"""What is left of a model whose weights are rounded as a page holds them, and of one that its dial mixes."""

import copy

import torch

from core.html_weights import kind_of, round_rows, sign_rows
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


def rounded_mixture(child: GPT, parent: GPT, a: float) -> GPT:
    """The same, where the page's dial stands at a."""
    model, learned = rounded(child), rounded_difference(child, parent)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.add_(learned[name], alpha=a - 1)
    return model


def rounded_difference(child: GPT, parent: GPT) -> dict[str, torch.Tensor]:
    """child - parent as a page holds it: for each matrix a sign, and a scale for each row."""
    start, learned = dict(parent.named_parameters()), {}
    for name, end in child.named_parameters():
        learned[name] = (end - start[name]).detach()
        if end.dim() == 2:
            scales, signs = sign_rows(learned[name])
            learned[name] = signs * scales[:, None]
    return learned
