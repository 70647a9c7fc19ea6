#include "blobs/service.hpp"

#include <algorithm>

#include "crypto/hash.hpp"

namespace opaline::blobs {

using store::BlobError;

namespace {

BlobTokenHash hash_of(const Token& token) {
  return BlobTokenHash(crypto::sha256({token.reveal()}));
}

}  // namespace

Service::Service(const Config& config, const Ports& ports) : config_(config), ports_(ports) {}

// ---------------------------------------------------------------- quotas

Service::Account& Service::account_of(const AccountId& account, Day today) {
  if (day_ != today) {
    day_ = today;
    ports_.random.fill(day_key_.fill());
    accounts_.clear();
  }
  const auto mac = crypto::hmac_sha256(day_key_.reveal(), {account.view()});
  const AccountKey key(FixedView<AccountKey::kSize>(ByteView(mac).first<AccountKey::kSize>()));
  if (!accounts_.contains(key)) make_room();
  return accounts_[key];
}

/// Any one goes: who floods the map with accounts mostly forgets its own.
void Service::make_room() {
  if (accounts_.size() >= config_.max_accounts) accounts_.erase(accounts_.begin());
}

Result<void, Error> Service::charge(const AccountId& account, const Allowance& allowance, const BlobId& id,
                                    std::uint64_t size, Day today) {
  const std::uint64_t cost = store::blob_charge(size);
  const std::lock_guard lock(mutex_);
  Account& own = account_of(account, today);
  std::erase_if(own.unfinished, [&](const BlobId& each) { return !ports_.store.is_unfinished(each); });
  if (own.bytes + cost > allowance.bytes_per_day || own.unfinished.size() >= allowance.unfinished) {
    ++counters_.over_quota;
    return fail(Error::quota);
  }
  if (ports_.store.usage().bytes + being_made_ + cost > config_.max_total_bytes) return fail(count(BlobError::full));
  own.bytes += cost;
  own.unfinished.push_back(id);
  being_made_ += cost;
  return {};
}

void Service::give_back(const AccountId& account, const BlobId& id, std::uint64_t size, Day today) {
  const std::lock_guard lock(mutex_);
  Account& own = account_of(account, today);
  own.bytes -= std::min(own.bytes, store::blob_charge(size));
  std::erase(own.unfinished, id);
}

// ---------------------------------------------------------------- uploads

Result<Created, Error> Service::create(const AccountId& account, Uploader who, std::uint64_t size,
                                       const std::vector<BlobTokenHash>& releases) {
  if (size == 0 || size > store::kMaxBlobBytes || releases.empty() || releases.size() > kMaxReleasesAtCreation)
    return fail(Error::bad_request);
  const Time now = ports_.clock.now();
  Created out{ports_.random.id<BlobId>(), {}};
  ports_.random.fill(out.upload.fill());
  OPALINE_CHECK(charge(account, config_.of(who), out.id, size, day_of(now)));
  const auto made =
      ports_.store.create({.id = out.id, .upload = hash_of(out.upload), .size = size, .releases = releases}, now);
  {
    const std::lock_guard lock(mutex_);
    being_made_ -= store::blob_charge(size);
  }
  if (!made) {
    give_back(account, out.id, size, day_of(now));
    return fail(count(made.error() == BlobError::not_found ? BlobError::failed : made.error()));
  }
  ++counters_.created;
  return out;
}

Result<store::BlobAppended, Error> Service::append(const BlobId& id, const Token& upload, std::uint64_t offset,
                                                   std::span<std::byte> piece) {
  if (piece.empty()) return fail(Error::bad_request);
  if (piece.size() > kMaxPieceBytes) return fail(Error::too_large);
  const auto done = ports_.store.append(id, hash_of(upload), offset, piece, ports_.clock.now());
  if (!done) return fail(count(done.error()));
  if (done->appended) counters_.bytes_in += piece.size();
  if (done->appended && done->progress.complete) ++counters_.completed;
  return *done;
}

void Service::checkpoint(const BlobId& id) {
  ports_.store.checkpoint(id, ports_.clock.now());
}

Result<store::BlobProgress, Error> Service::progress(const BlobId& id, const Token& upload) {
  const auto found = ports_.store.progress(id, hash_of(upload));
  if (!found) return fail(count(found.error()));
  return *found;
}

Result<void, Error> Service::add_releases(const BlobId& id, const Token& upload,
                                          const std::vector<BlobTokenHash>& releases) {
  if (releases.empty()) return fail(Error::bad_request);
  if (releases.size() > store::kMaxBlobReleases) return fail(Error::too_large);
  const auto done = ports_.store.add_releases(id, hash_of(upload), releases);
  if (!done) return fail(count(done.error()));
  return {};
}

Result<void, Error> Service::remove(const BlobId& id, const Token& upload) {
  const auto done = ports_.store.remove(id, hash_of(upload));
  if (!done) return fail(count(done.error()));
  ++counters_.deleted;
  return {};
}

// ---------------------------------------------------------------- recipients

Result<store::BlobPiece, Error> Service::read(const BlobId& id, std::uint64_t offset, std::size_t max_bytes) {
  if (max_bytes == 0 || max_bytes > kMaxReadBytes) return fail(Error::bad_request);
  auto piece = ports_.store.read(id, offset, max_bytes, oldest_served());
  if (!piece) return fail(count(piece.error()));
  counters_.bytes_out += piece->bytes.size();
  return std::move(*piece);
}

Result<void, Error> Service::release(const BlobId& id, const Token& release) {
  const auto done = ports_.store.release(id, hash_of(release));
  if (!done && done.error() == BlobError::not_found) return {};
  if (!done) return fail(count(done.error()));
  ++counters_.released;
  if (*done) ++counters_.deleted;
  return {};
}

// ---------------------------------------------------------------- the end of blobs

/// A blob of day D is served while today is before D + retention, as an envelope is.
Day Service::oldest_served() {
  if (clock_trusted_) {
    const auto today = number(day_of(ports_.clock.now()));
    oldest_served_ = today >= days() ? today - days() + 1 : 0;
  }
  return Day(oldest_served_.load());
}

bool Service::expire() {
  if (!clock_trusted_) return true;
  const Day oldest = oldest_served();
  counters_.dropped += ports_.store.drop_unfinished(ports_.clock.now() - config_.unfinished_for);
  return number(oldest) == 0 || ports_.store.expire_through(Day(number(oldest) - 1)).has_value();
}

Error Service::count(BlobError error) {
  switch (error) {
    case BlobError::not_found:
      return Error::not_found;
    case BlobError::too_large:
      return Error::too_large;
    case BlobError::full:
    case BlobError::failed:
      break;
  }
  ++counters_.unavailable;
  return Error::unavailable;
}

Counters Service::counters() const {
  const auto& c = counters_;
  return {c.created,    c.completed,   c.released, c.deleted,  c.dropped,
          c.over_quota, c.unavailable, c.bytes_in, c.bytes_out};
}

}  // namespace opaline::blobs
