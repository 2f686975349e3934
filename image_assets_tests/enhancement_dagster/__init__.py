"""Tests of the Dagster face of the enhancement area."""
