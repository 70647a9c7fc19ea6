#pragma once
// The session protocol's own test vectors (tests/vectors/session.json): one conversation, from seeds, with every
// intermediate value. Not part of the room: `session_vectors` prints them, a test compares them with the file, and
// tests/vectors/check_session.py derives them again from docs/protocol.md alone.
#include <string>

namespace opaline::session::vectors {

/// The whole file. The same bytes each time.
[[nodiscard]] std::string generate();
/// Linking both ways, a recovery file, an attachment (tests/vectors/devices.json), likewise.
[[nodiscard]] std::string generate_devices();

}  // namespace opaline::session::vectors
