"""Simulated LLM providers: a real HTTP server that behaves, and misbehaves, like the real ones.

Used for the demo, by tests and benchmarks, and for drills. It answers as OpenAI and as Anthropic,
with text that depends on the request alone, so that the same request gets the same body twice.
Faults are asked for per request (`x-sim-fault`) or by rule (`POST /_sim/faults`): faults.py.

Kept apart: what is answered (openai, anthropic, embeddings: pure), how it is delivered (delivery:
pure, a script of writes and waits), and sockets (connection, server).
"""
