"""Logs of real trainings, healthy ones and ones broken on purpose; `record.py` makes them."""
