"""What a submission says about itself, read into `rules.evidence.Claims`."""
