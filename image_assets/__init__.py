"""Keeps a merchant's product images complete, correct and in sync.

The package observes what is there, plans the difference to what should be there, applies the plan and proves the
result. ``docs/architecture.md`` describes its rooms and who may import whom.
"""
