"""The tests."""

import os

# As on the page (playground/__init__.py), and before NumPy is imported: here torch, which imports it, may come first.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
