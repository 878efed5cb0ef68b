"""Tabs: a folder each, with layout, services and scripts of its own."""
