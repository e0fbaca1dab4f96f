"""Files that are broken in the ways real ones are."""

from pathlib import Path

BREAKAGES = ("truncated", "empty", "text", "extension")
_KEPT = 40


def break_file(path: Path, how: str) -> Path:
    """Breaks a media file in place; returns where it is now.

    truncated: cut inside its header. empty: no byte. text: an error page saved under the file's
    name. extension: whole, but named as another format, which a reader of bytes decodes.
    """
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:_KEPT])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_text("<html><body>404 Not Found</body></html>\n", encoding="utf-8")
    else:
        other = {".jpg": ".png", ".wav": ".mp3"}.get(path.suffix, ".jpg")
        if path.suffix in {".flac", ".ogg", ".mp3"}:
            other = ".wav"
        path = path.rename(path.with_suffix(other))
    return path
