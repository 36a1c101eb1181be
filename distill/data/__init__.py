"""Images with and without labels: where they lie, how they are read, which views a step sees."""
