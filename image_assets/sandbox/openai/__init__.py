"""OpenAI's image API (api.openai.com/v1) on a loopback port of this process.

Here: a server that behaves as the vendor's, for anybody's calls, as far as making pictures of words needs it:
``POST /v1/images/generations``, ``GET /v1/models`` and ``GET /v1/models/{model}``. Its pictures are real files of the
size that was asked for. Not here: anything production runs, and what that does not need (edits, masks, streams, GIF and
SVG, previews, other models).

Every rule names its source where it is kept: "SDK" is openai 3.57 (``types/image_generate_params.py`` and others);
"guide" is developers.openai.com/api/docs/guides/image-generation; "seen" is an answer of the vendor's that public
repositories quote alike, with dates from August to October 2026. What none of them says is called inferred.

A prompt with the words ``sandbox-moderated`` is blocked by the safety system. Other bad days: see ``faults.py``.
"""

from image_assets.sandbox.openai.behaviour import IMAGE_MODELS, MODERATED_WORDS, Behaviour
from image_assets.sandbox.openai.faults import Faults
from image_assets.sandbox.openai.server import OpenAiServer, Seen

__all__ = ["IMAGE_MODELS", "MODERATED_WORDS", "Behaviour", "Faults", "OpenAiServer", "Seen"]
