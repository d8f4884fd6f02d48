"""The server: OpenAI-compatible interfaces and a studio interface over one studio, streaming as the sampler works."""
