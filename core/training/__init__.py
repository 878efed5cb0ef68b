"""Training: the loop, what it is made of, and a run as a directory on disk."""
