"""Position-zero replacement: the winner of an experiment becomes its deal's first image (spec 01).

Here: the same rooms as in an area, for its deals database and its experiments. Not here: the variants of images that
stay where they are (the rest of ``deals``).
"""
