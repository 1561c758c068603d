"""What we know of Anthropic: models, requests, prices, the one client, the offline demo."""
