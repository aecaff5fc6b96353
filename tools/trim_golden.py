"""Copies golden cases into tests/golden, leaving out the `NAME.f32` twins (the reference's own float32 results), which
no test reads: `python3 tools/trim_golden.py SOURCE tests/golden`. Every other byte of every tensor is kept.

With `--default-model`, `model_default_2l` is copied too, with the weights of `official_2l.pt` as `sd.*`: 8 MB, too much for
the repository, so for a folder that `WASABI_GOLDEN` names."""
import collections, io, json, pathlib, pickle, shutil, struct, sys, zipfile


class Dict(pickle.Unpickler):
    """Reads a plain state dict without torch: names, and where each tensor's bytes are."""

    def find_class(self, module, name):
        if name == "OrderedDict":
            return collections.OrderedDict
        if name == "_rebuild_tensor_v2":
            return lambda storage, offset, size, stride, *rest: (storage, offset, size)
        return name

    def persistent_load(self, pid):
        return pid


def weights(path):
    """Name, shape, safetensors type and bytes of every tensor in a `.pt` file of contiguous tensors."""
    with zipfile.ZipFile(path) as archive:
        index = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        for name, (storage, offset, size) in Dict(io.BytesIO(archive.read(index))).load().items():
            kind, width = ("I64", 8) if "Long" in storage[1] else ("F32", 4)
            count = 1
            for n in size:
                count *= n
            data = archive.read(f"{index[:-8]}data/{storage[2]}")[offset * width : (offset + count) * width]
            yield f"sd.{name}", list(size), kind, data


default_model = "--default-model" in sys.argv
source, target = (pathlib.Path(name) for name in sys.argv[1:] if not name.startswith("--"))
target.mkdir(parents=True, exist_ok=True)
for case in sorted(source.glob("*.safetensors")):
    if case.stem == "model_default_2l" and not default_model:
        continue
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
    if case.stem == "model_default_2l":
        for name, shape, kind, data in weights(source / "official_2l.pt"):
            parts.append(data)
            kept[name] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + len(data)]}
            at += len(data)
    text = json.dumps(kept, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    (target / case.name).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))
    shutil.copyfile(case.with_suffix(".json"), target / case.with_suffix(".json").name)
