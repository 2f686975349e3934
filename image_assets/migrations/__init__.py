"""Alembic migrations of the project's own database (``DATABASE_URL``); ``image-assets setup`` applies them."""
