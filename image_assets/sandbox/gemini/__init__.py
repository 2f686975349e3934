"""Google's Gemini API (generativelanguage.googleapis.com) on a loopback port of this process.

Here: a server that behaves as the vendor's, for anybody's calls, as far as looking at product photographs and making
pictures of them needs it: ``models/{model}:generateContent``, ``models`` and ``models/{model}``, under ``/v1beta`` and
``/v1``. Its analyses say what is in the picture, its pictures are made from the one sent. Not here: anything production
runs, and what images do not need (streaming, token counts, files, caches, tools, audio, video, PDF).

Every rule names its source where it is kept: "proto" is google/ai/generativelanguage/v1beta in
github.com/googleapis/googleapis; "SDK" is google-genai 3.4.0 or google-generativeai 0.8.6; "seen" is an answer of the
vendor's that several public repositories quote alike. What none of them says is called inferred.

Text with the words ``sandbox-...`` makes it answer as it does on a bad day: see ``outcomes.py``.
"""

from image_assets.sandbox.gemini.behaviour import IMAGE_MODELS, TEXT_MODELS, Behaviour
from image_assets.sandbox.gemini.faults import Faults
from image_assets.sandbox.gemini.outcomes import OUTCOMES, marker
from image_assets.sandbox.gemini.server import GeminiServer, Seen

__all__ = ["IMAGE_MODELS", "OUTCOMES", "TEXT_MODELS", "Behaviour", "Faults", "GeminiServer", "Seen", "marker"]
