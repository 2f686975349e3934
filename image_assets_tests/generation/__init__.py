"""Tests of `image_assets.generation`."""
