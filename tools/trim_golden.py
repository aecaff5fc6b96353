"""Copies golden cases into tests/golden, leaving out the `NAME.f32` twins (the reference's own float32 results), which
no test reads: `python3 tools/trim_golden.py SOURCE tests/golden`. Every other byte of every tensor is kept."""
import json, pathlib, shutil, struct, sys

source, target = map(pathlib.Path, sys.argv[1:3])
target.mkdir(parents=True, exist_ok=True)
for case in sorted(source.glob("*.safetensors")):
    raw = case.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    header, body = json.loads(raw[8 : 8 + size]), raw[8 + size :]
    kept, parts, at = {}, [], 0
    for name, entry in header.items():
        if name == "__metadata__":
            kept[name] = entry
        elif not name.endswith(".f32"):
            begin, end = entry["data_offsets"]
            parts.append(body[begin:end])
            kept[name] = {**entry, "data_offsets": [at, at + end - begin]}
            at += end - begin
    text = json.dumps(kept, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    (target / case.name).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))
    shutil.copyfile(case.with_suffix(".json"), target / case.with_suffix(".json").name)
shutil.copyfile(source / "README.md", target / "README.md")
