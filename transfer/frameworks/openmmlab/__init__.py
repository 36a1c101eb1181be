"""What MMDetection and MMSegmentation share."""
