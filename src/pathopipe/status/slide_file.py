"""What a plan calls a slide's file: its identity, and more where samples of its bytes did not show that it changed."""


def with_content(identity: str, sha256: str) -> str:
    """Extend an identity by the digest of the whole file."""
    return f"{identity}-{sha256[:16]}"


def is_known_as(identity: str | None, sha256: str | None, name: str) -> bool:
    """Whether the file of this identity and digest is the one that a plan calls so."""
    return name == identity or bool(identity and sha256 and name == with_content(identity, sha256))
