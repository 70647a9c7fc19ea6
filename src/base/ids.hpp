#pragma once
// One type per identifier. Kinds do not convert or compare with each other.
#include <compare>

#include "base/bytes.hpp"

namespace opaline {

/// N bytes that name something. Creation is explicit; text form is lower-case hexadecimal.
template <class Tag, std::size_t N>
class ByteId {
 public:
  static constexpr std::size_t kSize = N;
  constexpr ByteId() = default;  // all zero: no valid identifier
  explicit constexpr ByteId(const ByteArray<N>& bytes) : bytes_(bytes) {}
  explicit ByteId(FixedView<N> bytes) { std::memcpy(bytes_.data(), bytes.data(), N); }
  /// nullopt unless `bytes` has exactly N bytes.
  [[nodiscard]] static std::optional<ByteId> from(ByteView bytes) {
    if (bytes.size() != N) return std::nullopt;
    return ByteId(bytes.template first<N>());
  }
  [[nodiscard]] static std::optional<ByteId> from_hex(std::string_view hex) {
    const auto bytes = opaline::from_hex(hex);
    if (!bytes) return std::nullopt;
    return from(*bytes);
  }
  [[nodiscard]] FixedView<N> view() const { return FixedView<N>(bytes_); }
  [[nodiscard]] const ByteArray<N>& array() const { return bytes_; }
  [[nodiscard]] std::string hex() const { return to_hex(bytes_); }
  [[nodiscard]] bool is_zero() const { return *this == ByteId{}; }
  friend auto operator<=>(const ByteId&, const ByteId&) = default;

  /// Only for identifiers that are uniformly random already (ours all are).
  struct Hash {
    std::size_t operator()(const ByteId& id) const noexcept {
      std::size_t out = 0;
      std::memcpy(&out, id.bytes_.data(), N < sizeof(out) ? N : sizeof(out));
      return out;
    }
  };

 private:
  ByteArray<N> bytes_{};
};

/// An account: a person, or later a gateway's business. Random, made by the identity service.
using AccountId = ByteId<struct AccountIdTag, 16>;
/// A device's queue at the relay. Random, made by the identity service.
using MailboxId = ByteId<struct MailboxIdTag, 16>;
/// One ciphertext for one device. Random, made by the sender; a retry repeats it.
using EnvelopeId = ByteId<struct EnvelopeIdTag, 16>;
/// A message as the person sees it: the same in the envelopes to all devices. Random, made by the sender.
using MessageId = ByteId<struct MessageIdTag, 16>;

/// A device of one account: numbered from 1, never reused within the account.
enum class DeviceNumber : std::uint32_t {};
/// The version of an account's device list: rises by one with each change, from 1.
enum class ListNumber : std::uint32_t {};

}  // namespace opaline

template <class Tag, std::size_t N>
struct std::hash<opaline::ByteId<Tag, N>> : opaline::ByteId<Tag, N>::Hash {};
