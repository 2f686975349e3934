"""A Plytix account with its PIM API v1, on two loopback ports of this process: one for tokens, one for the API.

Here: a server that behaves as the vendor documents, for anybody's calls, as far as product images need it. Not here:
this project's own client, anything production runs, and what images do not need (creating products, categories,
families, relationships, variants, ``/filters``, v2, v3).

Every rule names its source where it is kept: "v1 collection" is the vendor's Postman collection of API v1, public in
github.com/writechoiceorg/plytix-docs beside an OpenAPI file made of it (fumadocs/openapi-v1v2.json) and notes of live
calls (2026-08 to 2026-10); "pim-client" is github.com/TheTelematic/plytix-pim-client, whose tests run against the
vendor. What neither says is called inferred.
"""

from image_assets.sandbox.plytix.behaviour import Behaviour
from image_assets.sandbox.plytix.server import PlytixServer
from image_assets.sandbox.plytix.state import Account

__all__ = ["Account", "Behaviour", "PlytixServer"]
