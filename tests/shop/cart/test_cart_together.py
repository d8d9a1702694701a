"""Many clients at once."""

from __future__ import annotations

import redis

from cart.carts import DAY, CartService, acquire, add, read, run_together


def test_twenty_threads_adding_to_one_cart_lose_and_double_nothing(cart: CartService) -> None:
    """Each sends every request twice: 99 units fit in the shared line, the hundredth is refused."""
    refused: list[str] = []

    def work(number: int) -> None:
        for turn in range(5):
            request = f"shared-{number}-{turn}"
            for _ in range(2):
                try:
                    add(cart, request, "SHARED", 1, 7)
                except redis.ResponseError as error:
                    refused.append(str(error).split(" ", 1)[0])
        for _ in range(2):
            add(cart, f"own-{number}", f"OWN-{number}", 3, 11)

    run_together(20, work)

    assert refused == ["CARTQTY", "CARTQTY"]
    assert read(cart)[:5] == [119, 21, 99 + 60, "USD", 99 * 7 + 60 * 11]
    assert cart.client.hget(f"cart:metrics:{{42}}:{DAY}", "added") == "119"


def test_of_twenty_threads_one_gets_the_lock(cart: CartService) -> None:
    """And one request id sent by all is done once."""
    fences: list[int] = []
    versions: list[int] = []

    def work(number: int) -> None:
        fences.append(acquire(cart, f"token-of-thread-{number:010}")[0])
        versions.append(add(cart, "same", "BOOK-1")[0])

    run_together(20, work)

    assert sorted(fence > 0 for fence in fences) == [False] * 19 + [True]
    assert versions == [1] * 20
