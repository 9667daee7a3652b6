"""How numbers were computed, as far as it bears on probabilities, and what they sum to."""
