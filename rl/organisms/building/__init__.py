"""From the recipe of an organism to a certified model directory."""
