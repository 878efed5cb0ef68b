"""The browser page: what `core` computes, made visible."""

import os
import sys

# Of `python -m playground`: the directory from which a person starts it is not code, so no file in it is taken for a
# module, be it called random.py or core/, unless the playground itself lies there.
if sys.argv[:1] == ["-m"] and sys.path[0] == os.getcwd() != os.path.dirname(os.path.dirname(os.path.abspath(__file__))):
    del sys.path[0]
# Gradio reads this once, when it is imported: nothing may leave the machine, not even a name look-up.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
# NumPy reads this when it is imported. What it solves here is small, and while a training has the cores, threads that
# wait for each other make it a hundred times slower.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Only now may anything else be looked for.
from playground import quick_import

quick_import.install()
