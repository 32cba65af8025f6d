"""The products. They meet only at each other's `contract.py`; `dd0c.app` puts them together."""
