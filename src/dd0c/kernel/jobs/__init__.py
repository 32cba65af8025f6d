"""Background work: what a job is, and the procrastinate app that runs the jobs of all manifests.

Nouns: a *job* is one kind of work a manifest lists; a *run* is one execution of it. Runs are rows
of the schema `jobs`, fetched by the role `dd0c_jobs`.

Invariants: a job may run twice (its worker was killed), so every job is idempotent; a run whose
worker died is put back; two runs of the same periodic job never wait in the queue together.
"""
