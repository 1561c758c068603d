"""Taking conversations out of the store; a file a format."""
