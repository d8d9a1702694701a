"""The rows of the matrix, a file a group, found by this folder."""
