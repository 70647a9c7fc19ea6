// Who connects (docs/device-api.md, "Opening"), and the costly operations.
#include "crypto/argon2.hpp"
#include "identity/internal/state.hpp"

namespace opaline::identity {

using internal::Changes;

namespace {

class RealCrypto final : public CostlyCrypto {
 public:
  [[nodiscard]] bool verify(const crypto::HybridPublicKey& key, std::string_view label, ByteView message,
                            const crypto::HybridSignature& signature) override {
    const auto verifier = crypto::HybridVerifier::from(key);
    return verifier && verifier->verify(label, message, signature);
  }
  [[nodiscard]] std::optional<ByteArray<32>> hash_pin(ByteView pin, FixedView<16> salt, ByteView pepper) override {
    ByteArray<32> out{};
    const crypto::Argon2Cost cost{.memory_kib = kPinMemoryKib, .passes = kPinPasses, .lanes = 1};
    if (!crypto::argon2id({.password = pin, .salt = salt, .secret = pepper}, cost, out)) return std::nullopt;
    return out;
  }
};

}  // namespace

std::unique_ptr<CostlyCrypto> make_costly_crypto() {
  return std::make_unique<RealCrypto>();
}

Result<AuthenticatedDevice, AuthError> Service::authenticate(const AuthRequest& request) {
  State& s = *state_;
  const Time now = s.ports.clock.now();
  s.turn_day(now);
  // Of this source and this account: whoever shares the address with a stranger who fails is not kept out.
  const auto bucket = s.source_key("auth", request.source, 8, request.account.view());
  if (s.failed_auth.peek(bucket, 1, s.ports.clock.monotonic())) {
    ++s.counters.auth_refused;
    return fail(AuthError::refused);
  }
  const auto signature = crypto::HybridSignature::from(request.signature);
  auto device = s.directory.device(request.account, request.device);
  if (!device) {
    (void)s.store_failure(device.error());
    return fail(AuthError::unavailable);
  }
  const bool known = device->has_value();
  const crypto::HybridPublicKey& key = known ? (*device)->signing_key : s.decoy_key;
  const bool authentic = signature && s.ports.crypto.verify(key, wire::kAuthLabel, request.message, *signature);
  const bool bound = request.binding == wire::Binding::tls_exporter || (known && (*device)->web);
  if (!known || !authentic || !bound) {
    (void)s.failed_auth.take(bucket, 1, s.ports.clock.monotonic());
    ++s.counters.auth_refused;
    return fail(AuthError::refused);
  }
  internal::DeviceRecord& record = **device;
  if (record.owner_device) {
    const auto persona = s.load(request.account);
    if (!persona) return fail(AuthError::unavailable);
    const Answer<bool> let = *persona ? s.persona_is_let(**persona) : false;
    if (!let) return fail(AuthError::unavailable);
    if (!*let) {
      ++s.counters.auth_refused;
      return fail(AuthError::refused);
    }
  }
  const Day today = day_of(now);
  if (record.seen && number(today) >= number(*record.seen) + kPinSeenDays) {
    record.seen = today;
    Changes changes = s.directory.changes();
    changes.put(request.account, request.device, record);
    (void)s.write(std::move(changes));  // the next connection tries again
  }
  ++s.counters.auth_ok;
  return AuthenticatedDevice{record.mailbox};
}

}  // namespace opaline::identity
