"""The manifest and the targets that it names."""
