"""The cart's scripts on whatever server `redis_service` brings up."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cart.carts import CartService


@pytest.fixture
def cart(redis_service: Callable[[str], CartService]) -> CartService:
    """Give the cart's scripts on an emptied database."""
    return redis_service("cart")
