"""Training: mmengine's Runner, with what makes a run repeatable and recoverable."""
