"""What models have copied, wherever the page shows what they wrote."""
