#pragma once
// Version 4 of the local store: files on their way (transfers.hpp).

namespace opaline::client {

inline constexpr const char* kSchema4 = R"sql(
-- messages whose files are not all at the service yet; name: random, value: sealed
CREATE TABLE upload(id INTEGER PRIMARY KEY AUTOINCREMENT, name BLOB NOT NULL UNIQUE, value BLOB NOT NULL);
-- files that are being fetched; blind: keyed hash of the blob's id, value: sealed
CREATE TABLE download(id INTEGER PRIMARY KEY AUTOINCREMENT, blind BLOB NOT NULL UNIQUE, value BLOB NOT NULL);
-- what the service is still to be told: releases of fetched files, removals of cancelled ones; sealed
CREATE TABLE errand(blind BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 4;
)sql";

}  // namespace opaline::client
