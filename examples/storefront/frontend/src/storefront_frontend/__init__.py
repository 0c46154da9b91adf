"""ShopKart's shop as pages, rendered on the server from what the backend answers; it stores nothing."""
