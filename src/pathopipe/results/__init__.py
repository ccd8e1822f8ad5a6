"""The artifact contract: names, schemas, manifests, one reader and one writer."""
