"""Processes whose start is not what is tested: they come from one that has loaded all that trains, in milliseconds.

That one has computed nothing, so that PyTorch works in what is forked from it.
"""

import multiprocessing

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(["core.stages.registry", "torch._dynamo"])  # the latter comes with the first optimiser
