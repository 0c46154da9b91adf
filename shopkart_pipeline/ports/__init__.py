"""One small abstract class per outside thing; adapters implement them, services receive them."""
