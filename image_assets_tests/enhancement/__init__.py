"""Tests of `image_assets.enhancement`."""
