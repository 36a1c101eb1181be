"""MMSegmentation."""
