"""Event-driven repair: what S3 says has changed is looked up and completed, a deal at a time.

Not here: auditing whole prefixes (`deals`), which proves that no event was lost.
"""
