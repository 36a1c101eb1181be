"""One seed of a benchmark as plain data, and the process that runs it."""
