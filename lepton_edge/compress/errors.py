"""What can go wrong while a model is compressed.

Law: nouns; each says whose fault it is and what to do next, as everywhere.

    LeptonError
    ├── RequestError
    │   ├── CompressionRefused     what was asked for cannot be done with this model, data or budget
    │   │   ├── TooLittleData          no calibration data, or too little of it
    │   │   ├── UnusableData           wrong names, dtypes or shapes; NaN or infinite values
    │   │   ├── AlreadyCompressed      a model that is quantized already
    │   │   ├── BudgetNotMet           no candidate kept within the budget; says the best that was reached
    │   │   └── CorruptStore           a file that is no store, is damaged, or claims what no model would
    │   └── FolderTaken            --out holds a search already, or what is of none (AlreadyExists)
    └── ServiceError
        └── CompressionFailed      a technique failed on a model that it had accepted; names the layer
"""

from __future__ import annotations

from lepton_edge.core.errors import AlreadyExists, RequestError, ServiceError


class CompressionRefused(RequestError):
    """What was asked for cannot be done with this model, data or budget."""

    code = "compression_refused"


class TooLittleData(CompressionRefused):
    """There is no calibration data, or too little of it."""

    code = "too_little_data"


class UnusableData(CompressionRefused):
    """Data with wrong names, dtypes or shapes, or with NaN or infinite values."""

    code = "unusable_data"


class AlreadyCompressed(CompressionRefused):
    """The model is quantized already."""

    code = "already_compressed"


class BudgetNotMet(CompressionRefused):
    """No candidate kept within the budget."""

    code = "budget_not_met"


class FolderTaken(AlreadyExists):
    """The folder for what is made holds a search already, or somebody else's files."""

    code = "folder_taken"


class CompressionFailed(ServiceError):
    """A technique failed on a model that it had accepted."""

    code = "compression_failed"


class CorruptStore(CompressionRefused):
    """A file that is no store of a model, is damaged, or claims more than a model holds."""

    code = "corrupt_store"
