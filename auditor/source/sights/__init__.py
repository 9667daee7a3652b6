"""What the walk notes on its way, for the rules: leaks, choices, what goes through the artifact."""
