"""What never expires is repaired or removed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cart.carts import DAY, RULES, TOKEN, CartService, acquire, add, keys_of, refusal, snapshot


def cleanup(cart: CartService, *days: str) -> list[int]:
    """Clean user 42's keys and the metrics of these days."""
    metrics = [f"cart:metrics:{{42}}:{day}" for day in days]
    answer: list[int] = cart.call("cleanup_expired_carts", [*keys_of("42", "cart", "seen", "lock"), *metrics], [])
    return answer


def test_cleanup_gives_each_key_the_ttl_that_it_lost(cart: CartService) -> None:
    """The cart what is left of its 30 days, an orphaned lock one last term; twice is once."""
    add(cart, "r1", "BOOK-1")
    acquire(cart, TOKEN)
    names = keys_of("42", "cart", "seen", "lock")
    for name in names:
        cart.client.persist(name)
    a_day_ago = int((datetime.now(UTC) - timedelta(days=1)).timestamp() * 1000)
    cart.client.hset("cart:{42}", "updated_at", a_day_ago)

    assert cleanup(cart) == [1, 1, 1, 0]
    assert cleanup(cart) == [0, 0, 0, 0]

    left = [int(cart.client.ttl(name)) for name in names]
    expected = [
        RULES["cart_ttl_seconds"] - 86_400,
        RULES["seen_ttl_seconds"],
        RULES["lock_ttl_seconds"],
    ]
    assert all(most - 5 <= found <= most for found, most in zip(left, expected, strict=True))


def test_cleanup_removes_a_cart_whose_time_is_over(cart: CartService) -> None:
    """Without a TTL it would stay for ever."""
    add(cart, "r1", "BOOK-1")
    cart.client.persist("cart:{42}")
    cart.client.hset("cart:{42}", "updated_at", 1_600_000_000_000)

    assert cleanup(cart) == [1, 0, 0, 0]
    assert not cart.client.exists("cart:{42}")


def test_cleanup_removes_old_metrics_and_keeps_the_rest(cart: CartService) -> None:
    """A day is kept for 90 days after its end, by the server's clock."""
    seconds, _ = cart.client.time()
    today = datetime.fromtimestamp(int(seconds), UTC).date()
    kept = RULES["metrics_ttl_seconds"] // 86_400
    ages = [0, kept, kept + 1, kept + 400]
    days = [(today - timedelta(days=age)).isoformat() for age in ages]
    for day in days:
        cart.client.hset(f"cart:metrics:{{42}}:{day}", "added", 1)
    cart.client.expire(f"cart:metrics:{{42}}:{days[2]}", 1000)

    assert cleanup(cart, *days) == [0, 0, 0, 4]
    assert cleanup(cart, *days) == [0, 0, 0, 0]

    left = [int(cart.client.ttl(f"cart:metrics:{{42}}:{day}")) for day in days]
    assert [seconds > 0 for seconds in left] == [True, True, False, False]
    assert left[0] > RULES["metrics_ttl_seconds"]
    assert left[1] <= 86_400


def test_cleanup_leaves_a_live_cart_alone(cart: CartService) -> None:
    """Nothing to repair, nothing written."""
    add(cart, "r1", "BOOK-1")
    acquire(cart, TOKEN)
    before = snapshot(cart)

    assert cleanup(cart, DAY) == [0, 0, 0, 0]
    assert snapshot(cart) == before


def test_cleanup_takes_a_bounded_number_of_keys(cart: CartService) -> None:
    """The server waits for a script, so that none may run for long."""
    assert refusal(lambda: cleanup(cart, *[DAY] * 201)) == "CARTKEYS"
    assert cleanup(cart, *[DAY] * 200) == [0, 0, 0, 0]
