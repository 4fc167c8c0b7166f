"""Where a device keeps block files, golden samples, labels and weights, by their sha256.

Law: content-addressed, verified, resumable after kill -9, bounded. Bytes come through an injected `fetch`;
this room knows no coordinator and no ONNX.

    DIRECTORY/artifacts/SHA256          a whole, verified artifact (SHA256.part while it is being fetched)
    DIRECTORY/blobs/SHA256/weights.bin  a sparse file, filled tensor by tensor
    DIRECTORY/blobs/SHA256/journal      which tensors of it are there and verified
"""

from device_agents.store.artifacts import ArtifactStore
from device_agents.store.download import Fetch, RetryPolicy

__all__ = ["ArtifactStore", "Fetch", "RetryPolicy"]
