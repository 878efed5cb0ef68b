"""The doctor: what is wrong with a run, judged from the numbers in its log."""
