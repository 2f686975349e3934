"""Images for products that have none: a queue, prompts made of what is known of a product, and providers that draw."""
