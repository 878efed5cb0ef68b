"""Panels that more than one tab shows."""
