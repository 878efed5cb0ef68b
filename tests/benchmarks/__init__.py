"""What is measured, and how: each runs as a command."""
