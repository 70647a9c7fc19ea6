#pragma once
// Every limit of the device connection, with its reason. docs/device-api.md repeats what concerns a device; a test
// compares.
#include <cstddef>
#include <cstdint>

namespace opaline::wire {

inline constexpr std::uint16_t kProtocolVersion = 1;
/// A WebSocket message: one TLS record's worth of buffer on small devices, and few records on the wire.
inline constexpr std::size_t kMaxBatchBytes = 64 * 1024;
inline constexpr std::size_t kFrameHeaderBytes = 4;
inline constexpr std::size_t kMaxFrameBodyBytes = kMaxBatchBytes - kFrameHeaderBytes;
/// One ciphertext: the largest plaintext of a session (32 KiB: a signed list of ten devices), padding, and a
/// post-quantum handshake with both KEM fields in front (session/session.hpp, kMaxMessageBytes).
inline constexpr std::size_t kMaxEnvelopeBytes = 48 * 1024;
/// Text of one message in UTF-8 bytes; longer texts become attachments.
inline constexpr std::size_t kMaxTextBytes = 16 * 1024;
/// Routes (mailbox + send token) that one connection may hold open.
inline constexpr std::size_t kMaxRoutes = 1024;
/// Mailboxes that one connection may read from: its own and, later, its personas'.
inline constexpr std::size_t kMaxSubscriptions = 64;
/// Calls of one connection that wait for an answer.
inline constexpr std::size_t kMaxOpenCalls = 16;
/// A send token as the identity service makes it (identity/send_token.hpp).
inline constexpr std::size_t kSendTokenBytes = 21;
inline constexpr std::size_t kNonceBytes = 32;
inline constexpr std::size_t kBindingBytes = 32;
inline constexpr std::size_t kMaxServerNameBytes = 253;
inline constexpr std::size_t kMaxGoodbyeTextBytes = 200;
/// Notices of legal requests in one MY_NOTICES; the id (printable ASCII) and the words of one.
inline constexpr std::size_t kMaxLegalNotices = 10;
inline constexpr std::size_t kMaxLegalNoticeIdBytes = 40;
inline constexpr std::size_t kMaxLegalNoticeWordsBytes = 4000;
/// Ed25519 (64) and ML-DSA-65 (3,309).
inline constexpr std::size_t kAuthSignatureBytes = 64 + 3309;
/// Credit that a server gives at the start, and that a device should give.
inline constexpr std::uint32_t kInitialCreditEnvelopes = 512;
inline constexpr std::uint32_t kInitialCreditBytes = 1024 * 1024;

}  // namespace opaline::wire
