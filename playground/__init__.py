"""The browser page: what `core` computes, made visible."""

import os

# Gradio reads this once, when it is imported: nothing may leave the machine, not even a name look-up.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
# NumPy reads this when it is imported. What it solves here is small, and while a training has the cores, threads that
# wait for each other make it a hundred times slower.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
