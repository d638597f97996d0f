"""The situation: tiers, scenarios, queries and episodes.

The package imports none of our other packages.
"""
