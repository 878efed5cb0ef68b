"""User interface: what all tabs and panels are built from."""
