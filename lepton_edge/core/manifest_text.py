"""One key written into a manifest's TOML text: whose variant a model is.

Law: text to text; the lines of whoever wrote it stay as they are. What a manifest means is for `partitioner.manifest`.
"""

from __future__ import annotations

import json
import re
import sys

from partitioner.errors import InvalidManifest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_MODEL = re.compile(r"^\s*\[\s*model\s*\]\s*(#.*)?$")
_TABLE = re.compile(r"^\s*\[")
_KEY = re.compile(r"^\s*variant_of\s*=")


def as_variant(text: str, of: str) -> str:
    """Return the manifest with `variant_of = of` in its [model] table, whatever it said before.

    Raises:
        InvalidManifest: it is not TOML, or says of the model in a form that no line can be added to.
    """
    lines = text.splitlines()
    said = f"variant_of = {json.dumps(of, ensure_ascii=False)}"
    header = next((index for index, line in enumerate(lines) if _MODEL.match(line)), None)
    if header is None:
        made = [*lines, *([""] if lines else []), "[model]", said]
    else:
        end = next((at for at in range(header + 1, len(lines)) if _TABLE.match(lines[at])), len(lines))
        kept = [line for line in lines[header + 1 : end] if not _KEY.match(line)]
        made = [*lines[: header + 1], said, *kept, *lines[end:]]
    return _checked("\n".join(made) + "\n", of)


def _checked(text: str, of: str) -> str:
    try:
        model = tomllib.loads(text).get("model")
    except tomllib.TOMLDecodeError as error:
        raise InvalidManifest(
            f"variant_of cannot be added to the manifest: {error}", "write it below [model] yourself"
        ) from error
    if not isinstance(model, dict) or model.get("variant_of") != of:
        raise InvalidManifest(
            "variant_of cannot be added to the manifest: it has no table [model] of its own",
            "write it below [model] yourself",
        )
    return text
