#pragma once
// Files that others sent: fetched into the home as ciphertext, checked and opened beside where the person wants them,
// and only then given their name; then the service is told that this device has them. Needs no device connection, so
// that it works beside a process that has one.
#include <deque>
#include <set>

#include "client/blob_service.hpp"
#include "client/local_files.hpp"
#include "client/transfers.hpp"

namespace opaline::client {

/// Tells the service what Transfers::errands holds. Best effort: what fails stays for the next time.
class Errands {
 public:
  Errands(const Transfers& transfers, BlobService& blobs) : transfers_(transfers), blobs_(blobs) {}
  void look();
  /// True if nothing waits for an answer.
  [[nodiscard]] bool idle() const { return running_ == 0; }

 private:
  void answered(const Errand& errand, const Result<std::monostate, BlobFailure>& answer);
  const Transfers& transfers_;
  BlobService& blobs_;
  std::size_t running_ = 0;
  std::set<std::pair<ErrandKind, endpoint::BlobId>> under_way_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

class Downloads {
 public:
  /// Where it is now.
  using Saved = std::function<void(Result<std::filesystem::path, Failure>)>;
  using Progress = std::function<void(std::uint64_t done_bytes, std::uint64_t size_bytes)>;

  /// All arguments must outlive it.
  Downloads(net::EventLoop& loop, const Clock& clock, const Transfers& transfers, const Home& home, BlobService& blobs,
            Errands& errands);
  ~Downloads();
  Downloads(const Downloads&) = delete;
  Downloads& operator=(const Downloads&) = delete;

  /// Remembers that the file is wanted in `folder` (absolute, there): from here on it is not forgotten until it is
  /// there or the service has it no longer.
  [[nodiscard]] Result<void, Failure> want(const endpoint::Attachment& attachment, const std::filesystem::path& folder);
  /// Fetches a file that was wanted, or goes on with it; one at a time, in the order of the calls. Errors:
  /// file_gone (404: forgotten then), file_damaged (it is not what the sender described: nothing is kept, not released,
  /// forgotten), locked (another process fetches it), store_full, store_failed, connect_failed, quota and others of
  /// the service; after these a later call goes on where this one ended.
  void fetch(const endpoint::BlobId& blob, Progress progress, Saved done);
  /// What was wanted and is not there yet.
  [[nodiscard]] Result<std::vector<Download>, ClientError> unfinished() const { return transfers_.downloads(); }
  /// Ciphertexts of the home that belong to no file that is wanted are removed.
  void clear_up();

 private:
  struct Current;
  void next();
  void start();
  [[nodiscard]] Result<void, Failure> open_part();
  void fetch_on();
  void ask();
  void ask_anew();
  void took(std::uint64_t length, Instant asked_at, const Result<BlobService::Piece, BlobFailure>& answer);
  void trouble(const BlobFailure& failure);
  void open_text();
  void open_piece();
  void mismatch();
  void name_it();
  void is_named();
  void end(Result<std::filesystem::path, Failure> result);
  void fail_disk(ClientError error, const std::filesystem::path& where);
  [[nodiscard]] std::filesystem::path part_file() const;

  net::EventLoop& loop_;
  const Clock& clock_;
  const Transfers& transfers_;
  const Home& home_;
  BlobService& blobs_;
  Errands& errands_;
  struct Waiting {
    endpoint::BlobId blob;
    Progress progress;
    Saved done;
  };
  std::deque<Waiting> waiting_;
  std::unique_ptr<Current> current_;
  net::Timer retry_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace opaline::client
