"""Tests of image_assets.sandbox.plytix."""
