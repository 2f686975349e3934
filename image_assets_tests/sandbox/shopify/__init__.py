"""Tests of the Shopify stand-in, over real HTTP."""
