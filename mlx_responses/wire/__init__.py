"""The Responses API as types: msgspec Structs and their bytes. Decides nothing, knows no room."""
