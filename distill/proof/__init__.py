"""Does distillation help on these pictures? Starts x shares of the labels x seeds, and what they show."""
