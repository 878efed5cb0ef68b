from types import SimpleNamespace

import pytest
import torch

from core.training.device import in_bfloat16

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(("generation", "expected"), [(None, True), (7, False), (8, True)])
def test_what_auto_computes_in_depends_on_the_gpu_and_a_choice_does_not(generation, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: generation is not None)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(major=generation))
    assert in_bfloat16(GPU, "auto") == expected
    assert not in_bfloat16(CPU, "auto")
    for device in (CPU, GPU):
        assert in_bfloat16(device, "bfloat16") and not in_bfloat16(device, "float32")
