"""Models made by others: fetched, converted from GGUF to a Hugging Face directory, and checked."""
