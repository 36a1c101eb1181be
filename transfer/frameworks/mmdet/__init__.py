"""MMDetection."""
