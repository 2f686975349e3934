"""Every GraphQL document the project sends to Shopify, as constants with named operations.

Here: the text of the requests, minimal selections, for Admin API 2026-07. Not here: variables, and sending them
(``client.py``). Names of operations appear in Shopify's logs and insights.

Sizes: a connection answers at most 250 nodes, an input list holds at most 250 items (shopify.dev, "API limits"). A
connection costs far less than its length (250 nodes of one object each: about 13 points, recorded 2026-04), so pages
are as large as they may be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

# Media as every reading document wants it; ``image`` is null until the status is READY, and while new content is
# fetched: then ``preview`` still shows the old one.
_MEDIA = """
id
alt
status
mediaContentType
mediaErrors { code message }
preview { image { url } }
... on MediaImage { image { url } }
"""

# The variant's own image: Shopify allows one media per variant.
_VARIANT = "id sku media(first: 1) { nodes { id } }"

# A variant found by its SKU, and whose it is.
_FOUND = "sku product { id handle }"

_PAGE = "pageInfo { hasNextPage endCursor }"

# Find a product by its handle, and the products that have variants with the given SKUs; $skus: sku:'a' OR sku:'b'.
# Further pages of the variants with the document that follows.
FIND_PRODUCT = f"""
query FindProduct($handle: String!, $skus: String!) {{
  byHandle: productByIdentifier(identifier: {{handle: $handle}}) {{ id }}
  bySku: productVariants(first: 50, query: $skus) {{ {_PAGE} nodes {{ {_FOUND} }} }}
}}
"""

# Read a further page of the variants with the given SKUs.
FIND_VARIANTS = f"""
query FindVariants($skus: String!, $after: String!) {{
  bySku: productVariants(first: 250, query: $skus, after: $after) {{ {_PAGE} nodes {{ {_FOUND} }} }}
}}
"""

# Read all of a product that an image sync compares, its whole gallery in one page (Shopify: at most 250 media a
# product); further pages of its variants with the document that follows.
READ_PRODUCT = f"""
query ReadProduct($id: ID!) {{
  product(id: $id) {{
    id
    handle
    title
    media(first: 250) {{ nodes {{ {_MEDIA} }} }}
    variants(first: 100) {{ {_PAGE} nodes {{ {_VARIANT} }} }}
  }}
}}
"""

# Read a further page of a product's variants.
READ_PRODUCT_VARIANTS = f"""
query ReadProductVariants($id: ID!, $after: String!) {{
  product(id: $id) {{ variants(first: 250, after: $after) {{ {_PAGE} nodes {{ {_VARIANT} }} }} }}
}}
"""

# Create a product with its files and variants. It has no identifier on purpose: with one, a product that is there
# already would be overwritten; without, Shopify refuses a handle that is taken, so repeating makes no second product.
CREATE_PRODUCT = """
mutation CreateProduct($input: ProductSetInput!) {
  productSet(input: $input, synchronous: true) {
    product {
      id
      media(first: 250) { nodes { id alt status } }
      variants(first: 250) { nodes { id sku } }
    }
    userErrors { code field message }
  }
}
"""

# Create files that belong to no product yet; Shopify fetches their originalSource afterwards.
CREATE_FILES = """
mutation CreateFiles($files: [FileCreateInput!]!) {
  fileCreate(files: $files) {
    files { id alt fileStatus }
    userErrors { code field message }
  }
}
"""

# Change READY files: content, alt text, file name, and the products that show them.
UPDATE_FILES = """
mutation UpdateFiles($files: [FileUpdateInput!]!) {
  fileUpdate(files: $files) {
    userErrors { code field message }
  }
}
"""

# Have files whose new content failed show their old one again, as READY.
ACKNOWLEDGE_FAILED_UPDATE = """
mutation AcknowledgeFailedUpdate($fileIds: [ID!]!) {
  fileAcknowledgeUpdateFailed(fileIds: $fileIds) {
    userErrors { code field message }
  }
}
"""

# Delete files for good, from every product and variant that shows them.
DELETE_FILES = """
mutation DeleteFiles($fileIds: [ID!]!) {
  fileDelete(fileIds: $fileIds) {
    userErrors { code field message }
  }
}
"""

# See how far files are; for `ShopifyClient.nodes`. A missing file is a null.
FILE_STATUS = """
query FileStatus($ids: [ID!]!) {
  nodes(ids: $ids) {
    ... on MediaImage {
      id
      alt
      status
      mediaErrors { code message }
      fileErrors { code message }
      preview { image { url } }
      image { url }
    }
  }
}
"""

# Find files by a search, e.g. filename:a.jpg; the index lags behind writes.
FIND_FILES = """
query FindFiles($query: String!) {
  files(first: 50, query: $query) {
    nodes { ... on MediaImage { id alt status image { url } } }
  }
}
"""

# Move media within a product's gallery; positions are zero-based strings, and take effect when the job is done.
REORDER_MEDIA = """
mutation ReorderMedia($id: ID!, $moves: [MoveInput!]!) {
  productReorderMedia(id: $id, moves: $moves) {
    job { id done }
    mediaUserErrors { code field message }
  }
}
"""

# See whether a job is done.
JOB = """
query Job($id: ID!) {
  job(id: $id) { id done }
}
"""

# Give variants their image: at most 100 pairs, READY media of the same product, variants without an image.
APPEND_VARIANT_MEDIA = """
mutation AppendVariantMedia($productId: ID!, $variantMedia: [ProductVariantAppendMediaInput!]!) {
  productVariantAppendMedia(productId: $productId, variantMedia: $variantMedia) {
    userErrors { code field message }
  }
}
"""

# Take variants' images off them; the media stay in the gallery.
DETACH_VARIANT_MEDIA = """
mutation DetachVariantMedia($productId: ID!, $variantMedia: [ProductVariantDetachMediaInput!]!) {
  productVariantDetachMedia(productId: $productId, variantMedia: $variantMedia) {
    userErrors { code field message }
  }
}
"""

# List the sales channels' publications.
PUBLICATIONS = """
query Publications {
  publications(first: 50) { nodes { id name } }
}
"""

# Publish a product to publications.
PUBLISH = """
mutation Publish($id: ID!, $input: [PublicationInput!]!) {
  publishablePublish(id: $id, input: $input) {
    userErrors { field message }
  }
}
"""

# Check the connection: which shop this is, and what the app may do.
SHOP = """
query Shop {
  shop { name }
  currentAppInstallation { accessScopes { handle } }
}
"""

# Ask for places to upload files to (``uploads.py``).
STAGED_UPLOADS = """
mutation StagedUploads($input: [StagedUploadInput!]!) {
  stagedUploadsCreate(input: $input) {
    stagedTargets { url resourceUrl parameters { name value } }
    userErrors { field message }
  }
}
"""

# Start a bulk query (``bulk.py``).
BULK_QUERY = """
mutation BulkQuery($query: String!, $groupObjects: Boolean!) {
  bulkOperationRunQuery(query: $query, groupObjects: $groupObjects) {
    bulkOperation { id }
    userErrors { code field message }
  }
}
"""

# See how far a bulk query is.
BULK_OPERATION = """
query BulkOperation($id: ID!) {
  bulkOperation(id: $id) { id status errorCode fileSize url }
}
"""

# Bulk query bodies. Connections nest at most two deep, and are read through edges: "Selecting via 'nodes' is not
# supported" (recorded 2026-04). Children come as lines of their own, with __parentId.

# Every product with its gallery.
BULK_PRODUCTS = f"""
query BulkProducts {{
  products {{
    edges {{
      node {{
        id
        handle
        title
        media {{ edges {{ node {{ {_MEDIA} }} }} }}
      }}
    }}
  }}
}}
"""

# Every variant with its image.
BULK_VARIANTS = """
query BulkVariants {
  productVariants {
    edges {
      node {
        id
        sku
        product { id }
        media { edges { node { id } } }
      }
    }
  }
}
"""

ALL_DOCUMENTS: Mapping[str, str] = {
    name: value for name, value in dict(globals()).items() if name.isupper() and not name.startswith("_")
}

_WORD = re.compile(r'#[^\n]*|"""[\s\S]*?"""|"(?:\\.|[^"\\])*"|\w+|[^\s\w,]')


def is_mutation(document: str) -> bool:
    """Whether the document's first operation writes."""
    return next(_words(document), "") == "mutation"


@lru_cache(maxsize=256)
def root_fields(document: str) -> tuple[str, ...]:
    """The fields that the document's first operation asks for at its root, without aliases, in order."""
    found: list[str] = []
    braces = parentheses = 0
    words = [*_words(document), ""]
    for before, word, after in zip(["", *words], words, words[1:], strict=False):
        parentheses += (word == "(") - (word == ")")
        if parentheses:
            continue
        braces += (word == "{") - (word == "}")
        if word == "}" and not braces:
            break
        if braces == 1 and word.isidentifier() and after != ":" and before not in ("@", "."):
            found.append(word)
    return tuple(found)


def _words(document: str) -> Iterator[str]:
    return (word for word in _WORD.findall(document) if not word.startswith(("#", '"')))
