"""What a distilled backbone is worth: stages, conversion, and benchmarks in the detection frameworks."""
