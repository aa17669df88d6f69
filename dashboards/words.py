"""Marks texts of constants as messages, which the templates translate when they show them."""

from __future__ import annotations


def N_(message: str) -> str:
    return message
