"""Tests of the Plytix client."""
