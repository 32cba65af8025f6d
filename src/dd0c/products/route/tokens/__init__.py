"""Counting what a provider did not count (R-14).

    families      which vocabulary a model has, and whether it is the model's own
    vocabulary    how many tokens of it a text is
    factors       what answers that were counted by their provider teach about the others
    prompts       a whole request: messages, tools, schemas, images
    counting      the three together

A count is of the joined text of an answer, once: chunks counted one by one come out 13 % too high.
Where a provider publishes its vocabulary the count is exact; where it does not (Claude since 3,
Gemini) it is one of OpenAI's vocabulary times a factor, and every count says how far off it may be.
A vocabulary costs 20 to 40 MB and is loaded by the first text that needs it, so only a process
that may wait and may grow counts: the gateway's parent, never its workers.
"""
