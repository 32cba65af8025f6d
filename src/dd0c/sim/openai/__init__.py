"""OpenAI as the simulator plays it: what all its endpoints share (dialect, prompts), and each one.

`id` and `created` follow from the request too: the same request gets the same bytes, so a test can
compare what came through a proxy with what came directly.
"""
