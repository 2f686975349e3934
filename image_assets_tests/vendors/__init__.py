"""Tests of the vendors' clients."""
