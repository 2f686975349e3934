"""Tests of image_assets.sandbox.stability, and of what it draws."""
