"""Examples: applications and models that use the product from outside; the product never imports them."""
