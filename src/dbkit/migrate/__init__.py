"""The migration engine: plan, apply, roll back, status."""
