"""A timm network cut into stages, its weights, and how it is fine-tuned; no framework."""
