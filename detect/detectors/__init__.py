"""One file a kind; each registers itself in detect.model.DETECTORS."""
