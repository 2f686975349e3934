"""Tests of the Dagster face of the marketplace area."""
