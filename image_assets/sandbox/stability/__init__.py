"""Stability AI's image API (api.stability.ai) on a loopback port of this process.

Here: a server that behaves as the vendor's, for anybody's calls, as far as making pictures of texts needs it:
``POST /v2beta/stable-image/generate/core``, ``ultra`` and ``sd3``, and ``GET /v1/user/balance``. Its pictures are drawn
from the prompt. Not here: anything production runs, and what pictures of texts do not need (pictures made from
pictures, editing, upscaling, control, video, audio).

Every rule names its source where it is kept: "OpenAPI" is the vendor's own document, which its API reference shows
(https://api.stability.ai/v2alpha/openapi, https://platform.stability.ai/docs/api-reference); "seen" is an answer of the
vendor's that several public repositories quote alike. What none of them says is called inferred.

Prompts with the words ``sandbox-...`` make it answer as it does on a bad day: see ``outcomes.py``.
"""

from image_assets.sandbox.stability.behaviour import MODELS, Behaviour
from image_assets.sandbox.stability.faults import Faults
from image_assets.sandbox.stability.outcomes import OUTCOMES, marker
from image_assets.sandbox.stability.server import Seen, StabilityServer

__all__ = ["MODELS", "OUTCOMES", "Behaviour", "Faults", "Seen", "StabilityServer", "marker"]
