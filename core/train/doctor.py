"""Stub."""
import math
import torch
def references_of(vocab_size, ids):
    counts = torch.bincount(torch.as_tensor(ids), minlength=vocab_size).double()
    return {"uniform": math.log(vocab_size), "unigram": torch.special.entr(counts/counts.sum()).sum().item()}
