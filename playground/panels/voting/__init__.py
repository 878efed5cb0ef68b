"""Voting between two answers."""
