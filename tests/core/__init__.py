"""Mirrors core/, a test file for each module."""
