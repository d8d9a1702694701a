"""What differs between the live schema and what the files make."""
