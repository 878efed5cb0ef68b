"""Evaluation: how good a model is, by the measures of its stage."""
