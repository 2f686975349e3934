"""The marketplace area (spec 03): Amazon's images as Plytix assets, linked to the Amazon products that show them.

Rooms: ``model.py`` nouns and naming rules, ``mapping.py`` reading mapping files, ``observe.py`` what Plytix has,
``plan.py`` and ``proof.py`` pure, ``apply.py`` writing to Plytix, ``ledger.py`` which image is which asset,
``report.py`` spec 03's report, ``files.py`` files of the command line, ``service.py`` one function per verb.
"""
