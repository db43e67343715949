"""The OpenAI Responses API over MLX, without a server. Importing this needs no MLX."""

__version__ = "0.1.0"
