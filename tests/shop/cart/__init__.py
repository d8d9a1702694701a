"""Tests of the cart."""
