"""How the embedded `pocket` model is made. No part of the server."""
