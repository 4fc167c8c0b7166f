"""Examples: applications and models that use the product from outside; nothing in the product imports them."""
