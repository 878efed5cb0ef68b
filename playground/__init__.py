"""The browser page: what `core` computes, made visible."""

import os

# Gradio reads this once, when it is imported: nothing may leave the machine, not even a name look-up.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
