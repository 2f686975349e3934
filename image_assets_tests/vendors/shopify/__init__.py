"""Tests of the Shopify client."""
