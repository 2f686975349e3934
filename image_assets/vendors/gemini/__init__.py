"""Google's Gemini API: pictures into JSON, and text and pictures into pictures, through either of Google's SDKs.

Here: how to talk to Gemini. Not here: what is asked of it, and what the pictures are for (areas).
"""
