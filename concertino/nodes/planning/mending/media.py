"""Words for the kinds of media."""

from __future__ import annotations

SAME = {
    "audio": "audio", "sound": "audio", "speech": "audio", "voice": "audio",
    "image": "image", "images": "image", "picture": "image", "pictures": "image", "photo": "image", "photos": "image",
    "visual": "image",
    "video": "video", "videos": "video", "text": "text", "texts": "text", "url": "url", "urls": "url", "link": "url",
}  # fmt: skip
"""Words for kinds; a voice and a sound are both heard."""
NARROW = frozenset({"speech", "voice", "link"})
"""Words for a part of a kind: a voice is audio, but audio need not be a voice."""
