"""Nothing to register: the trainer builds the backbone itself."""
