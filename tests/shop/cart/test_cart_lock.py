"""One holder, and a number that fences off a late one."""

from __future__ import annotations

import pytest

from cart.carts import OTHER_TOKEN, RULES, TOKEN, CartService, acquire, keys_of, refusal, snapshot, write


def release(cart: CartService, token: str) -> int:
    """Give user 42's lock back."""
    return int(cart.call("release_cart_lock", keys_of("42", "lock"), [token]))


def test_lock_is_held_by_one_token_and_released_by_it_alone(cart: CartService) -> None:
    """Who is refused learns how long the lock lives, and can't take it away."""
    fence, milliseconds = acquire(cart, TOKEN)

    assert fence > 0
    assert milliseconds == RULES["lock_ttl_seconds"] * 1000
    before = snapshot(cart)
    refused, left = acquire(cart, OTHER_TOKEN)
    assert refused == 0
    assert 0 < left <= milliseconds
    assert release(cart, OTHER_TOKEN) == 0
    assert snapshot(cart) == before
    assert release(cart, TOKEN) == 1
    assert release(cart, TOKEN) == 0
    assert acquire(cart, OTHER_TOKEN)[0] > fence


def test_asking_again_with_the_token_renews_the_lock(cart: CartService) -> None:
    """A retry gets the number of the first call."""
    fence, milliseconds = acquire(cart, TOKEN)
    cart.client.expire("cart:lock:{42}", 1)

    assert acquire(cart, TOKEN) == [fence, milliseconds]
    assert int(cart.client.ttl("cart:lock:{42}")) > 1


def test_fencing_number_rises_over_expiry_clearing_and_loss_of_the_cart(
    cart: CartService,
) -> None:
    """The number lives in the cart, and never falls behind the clock."""
    numbers = []
    for lost in ([], ["cart:lock:{42}"], ["cart:lock:{42}", "cart:{42}"]):
        for name in lost:
            cart.client.pexpire(name, 1)
            while cart.client.exists(name):
                pass
        numbers.append(acquire(cart, TOKEN)[0])
        write(cart, "clear_cart", f"r{len(numbers)}", "")

    assert numbers == sorted(set(numbers))
    assert 0 < int(cart.client.ttl("cart:{42}")) <= RULES["cart_ttl_seconds"]


def test_fencing_number_rises_under_a_clock_that_fell_behind(cart: CartService) -> None:
    """A failover may bring a slower clock; a lock alone makes a cart that expires."""
    ahead = 4_000_000_000_000
    cart.client.hset("cart:{42}", "fence", ahead)

    assert acquire(cart, TOKEN)[0] == ahead + 1
    assert 0 < int(cart.client.ttl("cart:{42}")) <= RULES["cart_ttl_seconds"]


def test_fencing_keeps_a_late_holder_out(cart: CartService) -> None:
    """What the lock protects refuses a number below the highest it has seen."""
    accepted: list[int] = []

    def protected_write(fence: int) -> bool:
        if accepted and fence < accepted[-1]:
            return False
        accepted.append(fence)
        return True

    slow, _ = acquire(cart, TOKEN)
    cart.client.delete("cart:lock:{42}")
    fast, _ = acquire(cart, OTHER_TOKEN)

    assert protected_write(fast)
    assert not protected_write(slow)
    assert release(cart, TOKEN) == 0


@pytest.mark.parametrize("token", ["", "x" * 19, "x" * 129])
def test_a_token_that_could_be_guessed_is_refused(cart: CartService, token: str) -> None:
    """20 bytes at least."""
    assert refusal(lambda: acquire(cart, token)) == "CARTTOKEN"
    assert refusal(lambda: release(cart, token)) == "CARTTOKEN"
    assert snapshot(cart) == {}


@pytest.mark.parametrize("kind", ["cart", "lock", "metrics"])
def test_a_key_of_another_type_is_refused_before_the_first_write(cart: CartService, kind: str) -> None:
    cart.client.rpush(keys_of("42", kind)[0], "text")
    before = snapshot(cart)

    assert refusal(lambda: acquire(cart, TOKEN)) == "CARTKEYS"
    if kind == "lock":
        assert refusal(lambda: release(cart, TOKEN)) == "CARTKEYS"
    assert snapshot(cart) == before


def test_a_lock_that_somebody_else_wrote_is_neither_taken_nor_given_back(cart: CartService) -> None:
    cart.client.set(keys_of("42", "lock")[0], "by hand")
    before = snapshot(cart)

    assert acquire(cart, TOKEN) == [0, -1]
    assert release(cart, TOKEN) == 0
    assert snapshot(cart) == before
