"""The storefront area (spec 02): S3 images per Image_SKU, in order, on the right products and variants in Shopify.

Rooms: ``model.py`` nouns and naming rules, ``observe/`` reading catalog, bucket and shop, ``plan.py`` pure,
``apply.py`` writing to the shop, ``ledger.py`` what was uploaded as what, ``service.py`` one function per verb.
"""
