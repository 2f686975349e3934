"""A shop with Shopify's Admin GraphQL API for product media, on a loopback port of this process.

Here: a server that behaves as the vendor documents and as recorded answers show, for anybody's calls. Not here:
this project's own client, and anything production runs.

Every rule names its source where it is kept: the schema (2026-07), Shopify's documentation, or live answers recorded
2025-01 to 2026-04 in github.com/airhorns/shopify-draft-proxy. What nobody has recorded is said to be inferred.
"""

from image_assets.sandbox.shopify import bulk, files, gallery, metafields, products, publishing, staged, variants
from image_assets.sandbox.shopify.schema import schema
from image_assets.sandbox.shopify.server import ShopifyServer

# Their mutations register themselves.
_MUTATIONS = (bulk, files, gallery, metafields, products, publishing, staged, variants)

__all__ = ["ShopifyServer", "schema"]
