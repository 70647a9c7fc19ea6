#include "store/expiry_guard.hpp"

#include "base/codec.hpp"

namespace opaline::store {
namespace {

constexpr std::uint8_t kTickVersion = 1;

}  // namespace

Result<std::optional<Time>, RowError> ExpiryGuard::last_tick() {
  OPALINE_TRY(const std::optional<Bytes> stored, rows_.get(table_, as_view("tick")));
  if (!stored) return std::optional<Time>();
  Reader in(*stored);
  const std::uint8_t version = in.u8();
  const auto tick = from_unix_millis(static_cast<std::int64_t>(in.u64()));
  if (!in.finished() || version != kTickVersion) return fail(RowError::failed);
  return std::optional(tick);
}

Result<void, RowError> ExpiryGuard::confirm(Time now) {
  Bytes value;
  Writer(value).u8(kTickVersion).u64(static_cast<std::uint64_t>(unix_millis(now)));
  return rows_.write({{.table = table_, .key = to_bytes("tick"), .value = std::move(value)}});
}

ExpiryGuard::Verdict ExpiryGuard::tick(Time now) {
  const auto last = last_tick();
  if (!last) return Verdict::failed;
  if (*last && (now > **last + kMaxClockStep || now < **last - kMaxClockStep)) return Verdict::wait_for_operator;
  return confirm(now) ? Verdict::proceed : Verdict::failed;
}

}  // namespace opaline::store
