"""Benchmarks from several starts over several seeds, as one plan: made, shown, run and told in a table."""
