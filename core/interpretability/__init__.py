"""Interpretability: activations of a forward pass, and what attention heads do."""
