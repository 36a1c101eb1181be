"""One seed of a benchmark as plain data, its schedule, and the process that runs it."""
