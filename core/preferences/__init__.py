"""Preferences: votes, who gives them and how far they agree, and a model of one person's taste."""
