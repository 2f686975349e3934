"""Tests of the Dagster face of the generation area."""
