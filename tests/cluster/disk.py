"""A member's files (consensus/log.h), changed so that their checksums are right: what no flipped bit
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


def change_log(data_dir, old, new):
    """Replaces a text in an entry of the log by another of the same length, in all sectors that have it."""
    assert len(old) == len(new)
    found = False
    for name in os.listdir(data_dir):
        if not name.startswith("seg-"):
            continue
        path = os.path.join(data_dir, name)
        with open(path, "rb") as file:
            data = bytearray(file.read())
        for at in range(0, len(data), 512):
            sector = data[at:at + 512]
            if old in sector[:496]:
                found = True
                sector[:496] = sector[:496].replace(old, new)
                sector[508:] = struct.pack("<I", crc32c(sector[:508]))
                data[at:at + 512] = sector
        _rewrite(path, bytes(data))
    assert found, "no sector has the text"


def tear(path):
    """Of the next record the second sector was written, and the first was not: what a power cut in a write leaves. Where
    that is, and what."""
    with open(path, "r+b") as file:
        data = file.read()
        end = -(-len(data.rstrip(b"\0")) // 512) * 512  # a checksum may end with zeros
        sector = bytearray(data[end - 512:end])
        record = struct.unpack_from("<Q", sector, 496)[0]
        struct.pack_into("<QI", sector, 496, record + 1, 1)
        sector[508:] = struct.pack("<I", crc32c(sector[:508]))
        file.seek(end + 512)
        file.write(sector)
    return end + 512, bytes(sector)


def flip_bit(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))
