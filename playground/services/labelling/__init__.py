"""Labelling: pairs of answers written, lent out, voted on, and predicted."""
