"""Who watches: monitors read an episode and say how likely it fakes. Penalties, screening and supervision use them."""
