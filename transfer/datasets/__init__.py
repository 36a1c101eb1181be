"""Data sets' layouts, splits and metrics; no framework."""
