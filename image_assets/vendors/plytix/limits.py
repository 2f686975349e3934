"""The rate limits of a Plytix plan.

Here: their numbers. Not here: keeping them (``vendors/limits.py``).

Plytix counts every request in two windows, per 10 seconds and per hour ("API Limits" of its API guide); the numbers
belong to the account's plan.
"""

from __future__ import annotations

from dataclasses import dataclass

from image_assets.vendors.limits import RateWindows, Window

__all__ = ["RateLimits", "RateWindows", "Window"]


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The limits of the account's plan; both count every request."""

    per_10_s: int = 20
    per_hour: int = 5000

    @property
    def windows(self) -> tuple[Window, Window]:
        """The two windows.

        Raises:
            ValueError: a limit is below 1.
        """
        return Window(self.per_10_s, 10.0), Window(self.per_hour, 3600.0)
