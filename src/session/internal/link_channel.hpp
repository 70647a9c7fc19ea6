#pragma once
// What both sides of linking share (docs/protocol.md, section Linking): the bytes of its messages, the transcript, the
// digits, and the channel.
#include "session/internal/labels.hpp"
#include "session/link.hpp"

namespace opaline::session::internal {

/// The second byte of every message. Never renumbered.
enum class LinkType : std::uint8_t {
  hello = 1,       ///< new device: its linking keys
  answer = 2,      ///< primary, if it scanned the code: X25519 key, ciphertext
  commitment = 3,  ///< primary, if it did not
  nonce = 4,       ///< new device
  reveal = 5,      ///< primary: what it had committed to
  welcome = 6,     ///< from here on sealed. Primary
  keys = 7,        ///< new device
  done = 8,        ///< primary
  refused = 9,     ///< primary, in place of welcome or done
};
inline constexpr std::size_t kLinkHeaderBytes = 2;
inline constexpr std::size_t kLinkNonceBytes = 32;
inline constexpr std::size_t kLinkAnswerBytes = crypto::kX25519Bytes + crypto::MlKem768Ciphertext::kSize;

/// A message taken apart; views into it.
struct LinkMessage {
  LinkType type{};
  ByteView whole;
  ByteView body;  ///< of the exact size where the type has one
};
/// Size limit, version, type, size. too_large, malformed, unsupported_version.
[[nodiscard]] Result<LinkMessage, Error> parse_link_message(ByteView message);
[[nodiscard]] Bytes link_message(LinkType type, std::initializer_list<ByteView> body);

[[nodiscard]] LinkHelloHash hash_of_hello(ByteView hello);
/// To the body of the reveal: X25519 key || ciphertext || nonce.
[[nodiscard]] ByteArray<32> link_commitment(const LinkExchangeId& exchange, ByteView hello, ByteView reveal);

using LinkTranscript = ByteArray<32>;
/// Over whole messages, in order: hello and answer, or hello, commitment, nonce and reveal.
[[nodiscard]] LinkTranscript link_transcript(const LinkExchangeId& exchange, std::initializer_list<ByteView> messages);
[[nodiscard]] LinkDigits link_digits(const LinkTranscript& transcript);
/// What the new device signs (with label kLinkKeysSignature): this || its keys message without the signature.
[[nodiscard]] ByteArray<32> link_welcome_hash(const LinkTranscript& transcript, ByteView welcome);

/// AEAD in both directions.
class LinkChannel {
 public:
  /// `secret`: the code's, or null where digits are compared.
  LinkChannel(const LinkTranscript& transcript, const crypto::X25519SharedSecret& dh,
              const crypto::MlKem768SharedSecret& kem, const LinkSecret* secret, bool new_device);
  [[nodiscard]] const LinkTranscript& transcript() const { return transcript_; }
  /// The next message of ours.
  [[nodiscard]] Bytes seal(LinkType type, ByteView plaintext);
  /// The peer's next message. authentication_failed: not authentic, or not the next.
  [[nodiscard]] Result<SecretBytes, Error> open(const LinkMessage& message);

 private:
  using Key = Secret<struct LinkKeyTag, 32>;
  /// transcript || u8 direction || header.
  [[nodiscard]] Bytes associated_data(bool from_new_device, ByteView header) const;

  LinkTranscript transcript_;
  bool new_device_;
  Key sending_;
  Key receiving_;
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
};

// The plaintexts of the channel.

struct WelcomeText {
  MailboxId mailbox;
  ByteView handle;
  ByteView list;
};
[[nodiscard]] Bytes encode_welcome(const WelcomeText& welcome);
/// Structure. malformed.
[[nodiscard]] Result<WelcomeText, Error> decode_welcome(ByteView text);

struct KeysText {
  DevicePublicKeys keys;
  std::uint32_t capabilities = 0;
  bool wants_history = false;
  bool web = false;
  ByteView name;
  ByteView signed_prekeys;
  ByteView one_time_batch;
  ByteView signed_part;  ///< decoding alone
  ByteView signature;    ///< decoding alone; encoding leaves it to be appended
};
[[nodiscard]] Bytes encode_keys(const KeysText& keys);
/// Structure; of the batch that it has whole keys. malformed.
[[nodiscard]] Result<KeysText, Error> decode_keys(ByteView text);

}  // namespace opaline::session::internal
