"""A matrix of benchmarks, starts and seeds: planned, shown, run and summarised in a table."""
