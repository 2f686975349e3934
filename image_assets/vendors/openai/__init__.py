"""OpenAI's image API: text into pictures, through OpenAI's own SDK.

Here: how to talk to OpenAI. Not here: what is asked of it, and what the pictures are for (areas).
"""
