"""Other tools' migration folders, read into this project's form."""
