"""The ``image-assets`` command: terminal in, terminal out.

Here: arguments, progress bars, tables, exit codes. Not here: any work; each command calls one function elsewhere, and
imports what that needs only when it runs, so that ``--help`` answers at once.
"""

from image_assets.cli.main import main

__all__ = ["main"]
