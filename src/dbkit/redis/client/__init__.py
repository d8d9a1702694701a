"""A typed client of a service's scripts, as one module of Python that needs redis-py alone."""

from dbkit.redis.client.generate import generate

__all__ = ["generate"]
