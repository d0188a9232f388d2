"""The OpenAI-compatible writer: composes posts from hand-written material and answers as the OpenAI API does."""
