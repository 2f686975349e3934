"""Tests of the marketplace area below its faces."""
