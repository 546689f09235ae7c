"""Checks bills of materials against the schema of CycloneDX 1.5: `cargo xtask check` runs it with their paths."""

import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

validator = JsonStrictValidator(SchemaVersion.V1_5)
problems = {path: validator.validate_str(Path(path).read_text()) for path in sys.argv[1:]}
for path, problem in problems.items():
    print(f"{path}: {problem or 'CycloneDX 1.5'}")
sys.exit(any(problems.values()))
