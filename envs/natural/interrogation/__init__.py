"""Questions about motives in English: their wordings, composed replies, and the reading of any reply."""
