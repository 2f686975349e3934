"""The Shopify Admin GraphQL API: client, cost budget, documents, bulk queries and staged uploads.

Here: how to talk to Shopify. Not here: what a shop's images should be (``storefront/``).
"""
