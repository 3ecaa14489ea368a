"""Writes roots.pem anew: the roots of Amazon Trust Services out of Mozilla's list, by way of the package certifi (PyPI).

    pip install certifi
    python3 lake/data/roots.py

https://www.amazontrust.com/repository/ names them; NOTICE names the version of certifi.
"""

import pathlib
import re

import certifi

ROOTS = ["Amazon Root CA 1", "Amazon Root CA 2", "Amazon Root CA 3", "Amazon Root CA 4",
         "Starfield Services Root Certificate Authority - G2"]


def main():
    text = pathlib.Path(certifi.where()).read_text()
    found = dict(re.findall(r'# Label: "([^"]+)"\n(?:#[^\n]*\n)*(-----BEGIN CERTIFICATE-----\n.*?-----END CERTIFICATE-----\n)', text, re.DOTALL))
    missing = [name for name in ROOTS if name not in found]
    if missing:
        raise SystemExit(f"certifi {certifi.__version__} does not have {', '.join(missing)}")
    written = "".join(f"# {name}\n{found[name]}" for name in ROOTS)
    pathlib.Path(__file__).with_name("roots.pem").write_text(written)
    print(f"{len(ROOTS)} roots of certifi {certifi.__version__}")


if __name__ == "__main__":
    main()
