"""The audit log as it is read and taken away: the API, and exports as CSV, PDF and bundle (K-52).

`logs` says who may read which; `shapes` what an event looks like; `rows` reads a selection page by
page; `table`, `print` and `bundle` write it. Pages are in `console/audit.py`.
"""
