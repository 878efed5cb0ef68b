"""GPT-2 and its whole life in pure PyTorch: vocabulary, model, training, generation, and a look inside."""

import os

# PyTorch's threads on Linux read this when they are loaded: how long they spin while they wait for each other. By
# default they spin for so long that a training takes several times its time as soon as something else has one of the
# cores, and be it the page. Spinning briefly costs up to 5 % where nothing else has (tests/benchmarks/beside.py).
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
