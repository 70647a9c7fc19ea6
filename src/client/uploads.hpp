#pragma once
// Messages with files on their way: their ciphertext goes from the home to the service, and then the message is queued
// and the upload forgotten in one commit. Goes on after cuts and after a kill where the service is. Nothing here waits.
#include <map>
#include <set>

#include "client/blob_service.hpp"
#include "client/client.hpp"
#include "client/local_files.hpp"
#include "client/transfers.hpp"

namespace opaline::client {

/// What uploads need of the device.
class UploadHost {
 public:
  virtual ~UploadHost() = default;
  [[nodiscard]] virtual bool online() = 0;
  /// Endpoint::recipients.
  [[nodiscard]] virtual std::vector<session::DeviceAddress> recipients(const AccountId& peer) = 0;
  /// Endpoint::refresh_peer. False: the store failed.
  [[nodiscard]] virtual bool refresh(const AccountId& peer) = 0;
  /// BLOB_CREATE: Client::call.
  virtual void create(ByteView request, Done<Bytes> done) = 0;
  /// Client::send_files.
  [[nodiscard]] virtual Result<MessageId, Failure> queue(
      const Upload& upload, std::function<Result<void, DatabaseError>(const Database&)> also) = 0;
};

/// The same of a client, which it borrows.
class ClientUploadHost final : public UploadHost {
 public:
  explicit ClientUploadHost(Client& client) : client_(client) {}
  bool online() override { return client_.online(); }
  std::vector<session::DeviceAddress> recipients(const AccountId& peer) override;
  bool refresh(const AccountId& peer) override;
  void create(ByteView request, Done<Bytes> done) override;
  Result<MessageId, Failure> queue(const Upload& upload,
                                   std::function<Result<void, DatabaseError>(const Database&)> also) override;

 private:
  Client& client_;
};

class Uploads {
 public:
  struct Events {
    /// It has another reason now.
    std::function<void(const Upload&)> on_changed = [](const Upload&) {};
    /// So much of the file is at the service.
    std::function<void(const Upload&, std::size_t file, std::uint64_t done_bytes)> on_progress =
        [](const Upload&, std::size_t, std::uint64_t) {};
    /// Its message is queued under this id.
    std::function<void(const Upload&, const MessageId&)> on_queued = [](const Upload&, const MessageId&) {};
  };

  /// All arguments must outlive it.
  Uploads(net::EventLoop& loop, const Clock& clock, const Transfers& transfers, const Home& home, UploadHost& host,
          BlobService& blobs);
  ~Uploads();
  Uploads(const Uploads&) = delete;
  Uploads& operator=(const Uploads&) = delete;
  Events events;

  /// Something may be possible now: the connection is up, or an upload was added.
  void look();
  /// Starts nothing any more.
  void stop() { stopped_ = true; }
  /// True while it is worth waiting: something is under way and has moved in the last 20 seconds.
  [[nodiscard]] bool moving() const;
  /// Files of the home that belong to no upload are removed (after a kill, or a cancellation).
  void clear_up();

 private:
  struct Current;
  void schedule();
  void step();
  void advance();
  void await_recipients();
  void create(std::size_t index);
  void created(std::size_t index, const Result<Bytes, Failure>& body, std::vector<session::DeviceAddress> devices);
  void ask(std::size_t index);
  void put(std::size_t index);
  [[nodiscard]] bool put_piece(std::size_t index);
  void answered(std::size_t index, std::uint64_t expected, const Result<BlobService::Uploaded, BlobFailure>& answer);
  void is_at(std::size_t index, std::uint64_t offset);
  void is_up(std::size_t index);
  void trouble(std::size_t index, const BlobFailure& failure);
  void forgotten(std::size_t index);
  [[nodiscard]] bool add_releases();
  void queue();
  void put_off(UploadReason reason, std::uint32_t seconds);
  void again();
  void rest();
  void beat();
  [[nodiscard]] bool save();
  void progress() { progress_at_ = clock_.monotonic(); }
  template <class T>
  [[nodiscard]] std::function<void(Result<T, BlobFailure>)> when(std::function<void(Result<T, BlobFailure>)> then);

  net::EventLoop& loop_;
  const Clock& clock_;
  const Transfers& transfers_;
  const Home& home_;
  UploadHost& host_;
  BlobService& blobs_;
  std::unique_ptr<Current> current_;
  std::map<UploadId, Instant> not_before_;
  Instant progress_at_;
  net::Timer retry_, pulse_;
  bool scheduled_ = false, pending_ = false, stopped_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace opaline::client
