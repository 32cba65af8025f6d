"""Simulated LLM providers: a real HTTP server that behaves, and misbehaves, like the real ones.

Used for the demo, by tests and benchmarks, and for drills. It answers as OpenAI and as Anthropic,
with text that depends on the request alone, so that the same request gets the same body twice.
Faults are asked for per request (`x-sim-fault`: faults) or by rule (scenarios).

    what is asked    openai/, anthropic/, images, prompt_cache
    what is said     replies, prose, tools, schemas, tokens; replay for what was recorded
    what goes wrong  faults (the table), scenarios, distortion (of the answer), framing, latency
    how it goes out  simulator (who answers), delivery (a script of writes and waits), connection,
                     server, admin, records

All of it is pure but connection and server.
"""
