"""Tests of image_assets; the folders mirror the package."""
