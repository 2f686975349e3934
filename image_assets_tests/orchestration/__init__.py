"""Tests of what all areas share in Dagster."""
