#pragma once
// The service for attachments: quotas, tokens, and from which day on blobs are served. Blocking and thread-safe; it
// runs on threads of its own (docs/architecture.md, "Threads"). Which account uploaded which blob is written nowhere.
#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "base/random.hpp"
#include "base/secret.hpp"
#include "store/blob_store.hpp"

namespace opaline::blobs {

using store::BlobId;
using store::BlobTokenHash;
/// What a device presents: who has it may write, or has fetched.
using Token = Secret<struct BlobTokenTag, 32>;

inline constexpr std::size_t kMaxPieceBytes = std::size_t{1} << 20;
inline constexpr std::size_t kMaxReadBytes = std::size_t{4} << 20;
/// Release hashes in BLOB_CREATE: each device of two accounts (10 each), and room.
inline constexpr std::size_t kMaxReleasesAtCreation = 32;

/// Whose account uploads. A conversation: a person's persona for one business.
enum class Uploader : std::uint8_t { person, business, conversation };
struct Allowance {
  std::uint64_t bytes_per_day = 0;
  std::size_t unfinished = 0;
};

struct Config {
  std::array<Allowance, 3> allowances{{{.bytes_per_day = std::uint64_t{2} << 30, .unfinished = 16},
                                       {.bytes_per_day = std::uint64_t{10} << 30, .unfinished = 512},
                                       {.bytes_per_day = std::uint64_t{512} << 20, .unfinished = 4}}};
  [[nodiscard]] Allowance& of(Uploader who) { return allowances[static_cast<std::size_t>(who)]; }
  [[nodiscard]] const Allowance& of(Uploader who) const { return allowances[static_cast<std::size_t>(who)]; }
  std::uint64_t max_total_bytes = std::uint64_t{50} << 30;
  std::chrono::days retention{30};
  std::chrono::hours unfinished_for{24};
  /// Accounts whose quotas are in memory at once. Beyond it any one is forgotten: about 100 bytes each, and 1 KiB for
  /// one with many uploads unfinished.
  std::size_t max_accounts = 100'000;
};

enum class Error : std::uint8_t {
  bad_request,  ///< a size or a number of hashes out of bounds
  not_found,    ///< as store::BlobError
  too_large,    ///< as store::BlobError
  quota,        ///< the account's bytes of today, or its unfinished uploads
  unavailable,  ///< disk or share of it full, or the disk failed: nothing is half done
};

struct Created {
  BlobId id;
  Token upload;
};

/// No identifiers; for metrics.
struct Counters {
  std::uint64_t created = 0, completed = 0, released = 0, deleted = 0, dropped = 0;
  std::uint64_t over_quota = 0, unavailable = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;
};

class Service {
 public:
  /// All outlive the service and are thread-safe.
  struct Ports {
    store::BlobStore& store;
    const Clock& clock;
    RandomSource& random;
  };
  Service(const Config& config, const Ports& ports);

  /// For an account that may write to people. The hashes are those of release tokens.
  [[nodiscard]] Result<Created, Error> create(const AccountId& account, Uploader who, std::uint64_t size,
                                              const std::vector<BlobTokenHash>& releases);
  /// `piece` is overwritten. 1 to kMaxPieceBytes, else bad_request.
  [[nodiscard]] Result<store::BlobAppended, Error> append(const BlobId& id, const Token& upload, std::uint64_t offset,
                                                          std::span<std::byte> piece);
  /// After an append that says so, once it is answered.
  void checkpoint(const BlobId& id);
  [[nodiscard]] Result<store::BlobProgress, Error> progress(const BlobId& id, const Token& upload);
  /// 1 to kMaxReadBytes, else bad_request.
  [[nodiscard]] Result<store::BlobPiece, Error> read(const BlobId& id, std::uint64_t offset, std::size_t max_bytes);
  /// Fine also if there is no such blob or token: nobody learns which. unavailable: not known to be done.
  [[nodiscard]] Result<void, Error> release(const BlobId& id, const Token& release);
  [[nodiscard]] Result<void, Error> add_releases(const BlobId& id, const Token& upload,
                                                 const std::vector<BlobTokenHash>& releases);
  [[nodiscard]] Result<void, Error> remove(const BlobId& id, const Token& upload);

  /// While the clock is not trusted nothing is expired, also not for readers: what was served goes on being served.
  void trust_clock(bool trusted) { clock_trusted_ = trusted; }
  /// Destroys what is over; nothing while the clock is not trusted. Takes as long as removing the files does. False:
  /// not all could be removed.
  [[nodiscard]] bool expire();

  [[nodiscard]] std::uint32_t days() const { return static_cast<std::uint32_t>(config_.retention.count()); }
  [[nodiscard]] Counters counters() const;
  [[nodiscard]] store::BlobUsage usage() const { return ports_.store.usage(); }

 private:
  /// An account under a key of the day, so that nothing in memory names it for longer.
  using AccountKey = ByteId<struct BlobAccountKeyTag, 16>;
  struct Account {
    std::uint64_t bytes = 0;
    std::vector<BlobId> unfinished;  ///< perhaps finished since
  };
  [[nodiscard]] Result<void, Error> charge(const AccountId& account, const Allowance& allowance, const BlobId& id,
                                           std::uint64_t size, Day today);
  void give_back(const AccountId& account, const BlobId& id, std::uint64_t size, Day today);
  [[nodiscard]] Account& account_of(const AccountId& account, Day today);
  void make_room();
  [[nodiscard]] Day oldest_served();
  [[nodiscard]] Error count(store::BlobError error);

  const Config config_;
  const Ports ports_;
  std::atomic<bool> clock_trusted_ = true;
  std::atomic<std::uint32_t> oldest_served_ = 0;  ///< as of when the clock was trusted last
  std::mutex mutex_;
  // Guarded by mutex_:
  std::optional<Day> day_;
  Secret<struct BlobQuotaKeyTag, 32> day_key_;
  std::unordered_map<AccountKey, Account> accounts_;
  std::uint64_t being_made_ = 0;  ///< charged, and not yet in the store's total

  struct AtomicCounters {
    std::atomic<std::uint64_t> created = 0, completed = 0, released = 0, deleted = 0, dropped = 0, over_quota = 0,
                               unavailable = 0, bytes_in = 0, bytes_out = 0;
  };
  AtomicCounters counters_;
};

}  // namespace opaline::blobs
