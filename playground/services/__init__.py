"""Services: what every tab is given."""
