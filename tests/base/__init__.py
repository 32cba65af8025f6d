"""Tests of dd0c.base."""
