"""What people, pipelines and monitors read: plain result objects in, text out."""
