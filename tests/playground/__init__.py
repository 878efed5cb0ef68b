"""Mirrors playground/, a test file for each module."""
