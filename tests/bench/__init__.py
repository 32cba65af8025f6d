"""`make bench`: dd0c beside nginx, LiteLLM and Portkey, in front of the same upstream (R-44).

What makes a figure trustworthy here (and fails the run where it is missing):

- the upstream answers from memory and is faster than anything measured; direct calls are a row;
- the load generator runs on other processors than the subject, and its own use is in the result;
  when the subject is not busy while it is measured, the figure is a lower bound and says so;
- rounds are interleaved, so that a machine whose speed drifts is unfair to everybody alike;
- added latency is the difference of neighbouring requests, with an interval;
- the open-loop client sends by schedule and counts from the intended time, errors included;
- a peer that could not be installed or started is reported as missing, with the reason.
"""
