"""ShopKart's shop as an HTTP API: the catalogue and orders in PostgreSQL, carts in Redis."""
