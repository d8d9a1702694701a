"""Templates, files and statements: from what people wrote to what a server is sent."""
