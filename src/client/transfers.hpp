#pragma once
// What this device must not forget of files on their way (schema 4): messages whose files are not all at the service
// yet, files that are being fetched, and small errands at the service. Everything but random identifiers is sealed.
#include <optional>
#include <vector>

#include "client/home.hpp"
#include "endpoint/endpoint_store.hpp"

namespace opaline::client {

/// Names an upload on this device alone; the message gets its own id once its files are up.
using UploadId = ByteId<struct UploadIdTag, 16>;

/// Why an upload does not go on. Stored: never change a number.
enum class UploadReason : std::uint8_t {
  none = 0,
  quota = 1,            ///< this account's share at the service: tried again
  unavailable = 2,      ///< no room or too much to do there: tried again
  refused = 3,          ///< the service will not have it: tried again with each command, until it is cancelled
  file_missing = 4,     ///< failed: what was kept in the home is gone or damaged
  blocked = 5,          ///< failed: the recipient is blocked by now
  no_such_account = 6,  ///< waits: the directory shows no devices of the recipient
  outbox_full = 7,      ///< waits
  not_possible = 8,     ///< failed: no message may be like this
};
/// Will not go out any more; stays until the person cancels it.
[[nodiscard]] constexpr bool is_final(UploadReason reason) {
  return reason == UploadReason::file_missing || reason == UploadReason::blocked ||
         reason == UploadReason::not_possible;
}

struct UploadFile {
  endpoint::Attachment attachment;  ///< `blob` is zero until the service has a place for it; `release` is the secret
  std::string spool;                ///< its ciphertext's name in `outgoing`
  SecretBytes upload_token;
  std::vector<session::DeviceAddress> devices;  ///< whose release hashes the service has
  bool up = false;                              ///< whole, and on stable storage there
};

/// A message that `send` accepted and whose files are on their way.
struct Upload {
  UploadId id;
  AccountId peer;
  std::string to;    ///< as the person typed it; at most kMaxToBytes
  SecretBytes text;  ///< at most wire::kMaxTextBytes
  Time at;
  UploadReason reason{};
  std::vector<UploadFile> files;  ///< at most wire::kMaxAttachments
  /// An answer to this message of a business, too large for an envelope: its one file holds the JSON.
  std::optional<MessageId> answers = {};

  [[nodiscard]] std::uint64_t size_bytes() const;
};
inline constexpr std::size_t kMaxToBytes = 300;

/// A file that is being fetched.
struct Download {
  endpoint::Attachment attachment;
  std::string folder;     ///< where the person wants it, absolute
  std::string temporary;  ///< its text's name there while it is being opened; not empty once that was begun
  std::string target;     ///< not empty: checked and durable under `temporary`, about to get this name
};

enum class ErrandKind : std::uint8_t {
  release = 1,  ///< `secret`: this device's token
  remove = 2,   ///< `secret`: the upload token
};
struct Errand {
  ErrandKind kind{};
  endpoint::BlobId blob;
  SecretBytes secret;
};

/// Borrows the store and the random source. Two processes may use one home's at the same time.
class Transfers {
 public:
  Transfers(const LocalStore& store, RandomSource& random) : store_(store), random_(random) {}

  /// From here on the message is accepted.
  [[nodiscard]] Result<void, ClientError> add(const Upload& upload) const;
  /// In the order in which they were accepted.
  [[nodiscard]] Result<std::vector<Upload>, ClientError> uploads() const;
  [[nodiscard]] Result<std::optional<Upload>, ClientError> upload(const UploadId& id) const;
  /// False: it was cancelled meanwhile.
  [[nodiscard]] Result<bool, ClientError> save(const Upload& upload) const;
  /// Within a transaction of the caller. False: it was cancelled meanwhile.
  [[nodiscard]] static Result<bool, DatabaseError> erase(const Database& database, const UploadId& id);
  /// The person does not want it any more: what is at the service already becomes an errand. False: there is none.
  [[nodiscard]] Result<bool, ClientError> cancel(const UploadId& id) const;

  [[nodiscard]] Result<std::vector<Download>, ClientError> downloads() const;
  [[nodiscard]] Result<std::optional<Download>, ClientError> download(const endpoint::BlobId& blob) const;
  [[nodiscard]] Result<void, ClientError> save(const Download& download) const;
  /// It is where the person wants it: forgets it, and remembers to release it, in one step.
  [[nodiscard]] Result<void, ClientError> finish(const Download& download) const;
  [[nodiscard]] Result<void, ClientError> forget(const Download& download) const;
  /// A name for what is kept of a blob in files: it says nothing to others.
  [[nodiscard]] std::string blind_name(const endpoint::BlobId& blob) const;

  [[nodiscard]] Result<std::vector<Errand>, ClientError> errands() const;
  [[nodiscard]] Result<void, ClientError> done(const Errand& errand) const;

 private:
  [[nodiscard]] Result<void, DatabaseError> put(const Errand& errand) const;
  const LocalStore& store_;
  RandomSource& random_;
};

}  // namespace opaline::client
