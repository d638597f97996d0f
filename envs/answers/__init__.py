"""The offline label of an answer: comply, partial, refuse or other, for answers in English."""
