"""What networks are made of beside a backbone, and what several methods keep or compute."""
