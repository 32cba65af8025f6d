"""`make bench`: dd0c beside other gateways and proxies, in front of the same upstream (R-44).

What makes a figure trustworthy here (and fails the run where it is missing):

- upstream and load generator (`native`, and wrk for answers a second) cost less than what is
  measured; direct calls are a row;
- they run on other processors than the subject, and the generator's own use is in the result; when
  the subject is not busy while it is measured, the figure is a lower bound and says so;
- rounds are interleaved, so that a machine whose speed drifts is unfair to everybody alike;
- added latency is the difference of neighbouring requests, or rounds, with an interval;
- the open-loop client sends by schedule and counts from the intended time, errors included;
- each subject stands in the result with its version and every flag, on or off;
- a peer that could not be installed or started is reported as missing, with the reason.

`session.py` names the scenarios; `rounds.py`, `paced.py`, `endurance.py` and `alone.py` are them.
Not among the peers, as they do not come from a package index whole: Bifrost's package fetches its
program from elsewhere, and MLflow's gateway takes more than two minutes to install.
"""
