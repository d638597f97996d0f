"""The situation: tiers, scenarios, queries and episodes. Imports none of our other packages."""
