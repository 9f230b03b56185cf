"""A member's files (consensus/log.h, store/snapshot.c), changed so that their checksums are right: what no flipped bit
can do, but a wrong program or a mistaken copy can."""

import os
import struct

_TABLE = []
for _byte in range(256):
    _crc = _byte
    for _ in range(8):
        _crc = _crc >> 1 ^ (0x82F63B78 if _crc & 1 else 0)
    _TABLE.append(_crc)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _rewrite(path, data):
    with open(path, "wb") as file:
        file.write(data)


def set_cluster(data_dir, cluster_id):
    """The manifest of a member of another cluster (16 bytes)."""
    path = os.path.join(data_dir, "manifest")
    with open(path, "rb") as file:
        words = bytearray(file.read())
    words[8:24] = cluster_id
    words[-8:] = struct.pack("<Q", crc32c(words[:-8]))
    _rewrite(path, bytes(words))


def snapshot_path(data_dir):
    names = sorted(name for name in os.listdir(data_dir) if name.startswith("snap-") and not name.endswith(".new"))
    return os.path.join(data_dir, names[-1])


def change_snapshot(data_dir, old, new):
    """Replaces a text in the state of the database by another of the same length, in the snapshot."""
    assert len(old) == len(new)
    path = snapshot_path(data_dir)
    with open(path, "rb") as file:
        whole = file.read()
    header = list(struct.unpack("<7Q", whole[:56]))
    conf, state = whole[56:56 + header[4]], bytearray(whole[56 + header[4]:])
    at = state.find(old)
    assert at >= 0, "the snapshot has no such text"
    state[at:at + len(old)] = new
    state[-4:] = struct.pack("<I", crc32c(state[:-4]))
    begin = struct.pack("<6Q", *header[:6])
    header[6] = crc32c(begin + conf + bytes(state))
    _rewrite(path, struct.pack("<7Q", *header) + conf + bytes(state))


def flip_bit(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))
