"""Training stages: each file is one method, from its paper to its command."""
