"""A second opinion on bills of materials: trivy, which reads the same image by itself."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

from packageurl import PackageURL

from shopkart_pipeline.adapters._process import Command, run
from shopkart_pipeline.adapters.oci_files import OciImageFiles
from shopkart_pipeline_tests.contract.conftest import TRIVY
from shopkart_pipeline_tests.fakes.fake_builder import write_image

_LOWER = {
    "etc/os-release": 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
    "etc/debian_version": "12.5\n",
    "var/lib/dpkg/status": "".join(
        f"Package: {name}\nStatus: {status}\nSource: glibc\nVersion: 2.36-9+deb12u4\nArchitecture: amd64\n\n"
        for name, status in (
            ("libc6", "install ok installed"),
            ("libc-bin", "install ok installed"),
            ("gone", "deinstall ok config-files"),
        )
    ),
    "usr/lib/python3/dist-packages/old-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: old\nVersion: 1.0\n",
}
_UPPER = {
    "usr/lib/python3/dist-packages/.wh.old-1.0.dist-info": "",
    "app/deps/Jinja2-3.1.4.dist-info/METADATA": "Metadata-Version: 2.1\nName: Jinja2\nVersion: 3.1.4\nLicense: BSD\n",
    "app/deps/anyio-4.4.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: anyio\nVersion: 4.4.0\n",
    "app/deps/six-1.16.0.egg-info/PKG-INFO": "Metadata-Version: 1.2\nName: six\nVersion: 1.16.0\n",
    "srv/node_modules/lodash/package.json": '{"name": "lodash", "version": "4.17.20", "license": "MIT"}',
    "srv/node_modules/@scope/part/package.json": '{"name": "@scope/part", "version": "1.2.3"}',
    "srv/node_modules/lodash/node_modules/deep/package.json": '{"name": "deep", "version": "0.1.0"}',
}


def test_trivy_finds_the_same_packages_in_the_same_layers(tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    layers = [_layer(_LOWER), _layer(_UPPER)]
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": list(map(_sha, layers))}}
    write_image(layout, json.dumps(config).encode(), layers)

    ours = {
        _named(each.purl): {place.layer for place in each.places}
        for each in OciImageFiles().contents(layout).components
    }

    assert ours == _by_trivy(layout, tmp_path)
    assert len(ours) == 8


def _by_trivy(layout: Path, folder: Path) -> dict[tuple[str, str, str], set[str]]:
    report = folder / "trivy.json"
    command = [str(TRIVY), "image", "--input", str(layout), "--format", "json", "--list-all-pkgs", "--offline-scan"]
    command += ["--scanners", "license", "--cache-dir", str(folder / "cache"), "--output", str(report), "--quiet"]
    done = run(Command(command, folder, 60.0, {"TRIVY_DISABLE_TELEMETRY": "true", "TRIVY_SKIP_VERSION_CHECK": "true"}))
    assert done.failure("trivy") is None
    found: dict[tuple[str, str, str], set[str]] = {}
    for result in json.loads(report.read_text())["Results"]:
        for package in result.get("Packages", []):
            name = _named(package["Identifier"]["PURL"])
            found.setdefault(name, set()).add(package["Layer"]["DiffID"])
    return found


def _named(purl: str) -> tuple[str, str, str]:
    url = PackageURL.from_string(purl)
    return url.type, "/".join(filter(None, (url.namespace, url.name))), url.version or ""


def _layer(files: dict[str, str]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return target.getvalue()


def _sha(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
