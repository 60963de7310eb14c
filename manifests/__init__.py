"""Records: what decided the bytes, and where every sample and view is. No pixels, no tars."""
