"""Tests of `image_assets.web`."""
