"""Certificates, by the openssl program: ten years, P-256."""

import subprocess

from .home import Failure

DAYS = "3650"
AUTHORITY = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"]
LEAF = "basicConstraints=critical,CA:FALSE"


def authority(folder, name, file="ca"):
    """`FILE.crt` and `FILE.key` in `folder`."""
    key(folder, file)
    extensions = [part for text in AUTHORITY for part in ("-addext", text)]
    openssl(folder, "req", "-x509", "-new", "-key", f"{file}.key", "-subj", f"/CN={name}", "-days", DAYS,
            "-out", f"{file}.crt", *extensions)


def issue(folder, file, subject, *extensions, by="ca"):
    """`FILE.crt` and `FILE.key`, signed by `BY.crt`."""
    key(folder, file)
    openssl(folder, "req", "-new", "-key", f"{file}.key", "-subj", subject, "-out", f"{file}.csr")
    (folder / f"{file}.ext").write_text("\n".join([*extensions, LEAF, ""]))
    openssl(folder, "x509", "-req", "-in", f"{file}.csr", "-CA", f"{by}.crt", "-CAkey", f"{by}.key", "-days", DAYS,
            "-CAcreateserial", "-CAserial", f"{file}.srl", "-extfile", f"{file}.ext", "-out", f"{file}.crt")
    for end in ("csr", "ext", "srl"):
        (folder / f"{file}.{end}").unlink()


def key(folder, file):
    openssl(folder, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", f"{file}.key")


def openssl(folder, *arguments):
    done = subprocess.run(["openssl", *arguments], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise Failure(f"openssl {arguments[0]}: {done.stderr.strip()}")
