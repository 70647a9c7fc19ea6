#pragma once
// The attachments' service on threads of its own, with the ways to it and back. A blob always comes to the same thread,
// so that its changes keep their order and one slow disk write holds up few others; what may wait is bounded in number
// and bytes.
#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <thread>

#include "identity/service.hpp"
#include "server/blob_http.hpp"
#include "server/blob_memory.hpp"
#include "server/control_port.hpp"
#include "server/hop.hpp"

namespace opaline::server {

class PublicEdge;

class BlobDesk {
 public:
  /// Bytes of pieces and answers in memory; one source may have a quarter. An answer is then at most 4 MiB, and smaller
  /// while many wait.
  static constexpr std::size_t kMemoryBytes = std::size_t{64} << 20;
  static constexpr std::size_t kMemoryBytesPerSource = kMemoryBytes / 4;
  static constexpr std::size_t kLeastAnswerBytes = 64 * 1024;
  static constexpr std::size_t kMaxWaitingJobs = 1024;  ///< for each thread

  /// `service` and `io` outlive the desk.
  BlobDesk(blobs::Service& service, net::EventLoop& io);
  ~BlobDesk();
  BlobDesk(const BlobDesk&) = delete;
  BlobDesk& operator=(const BlobDesk&) = delete;

  /// Whom to answer. Before the I/O thread starts.
  void attach(PublicEdge& edge) { edge_ = &edge; }

  /// From the I/O thread. The answer comes as PublicEdge::on_response. nullopt: queued; else the answer is this.
  [[nodiscard]] std::optional<net::HttpResponse> serve(RequestId request, const net::Peer& peer, BlobRequest job);
  /// BLOB_CREATE, on the control thread, which knows the account. The answer comes as PublicEdge::on_reply.
  void create(identity::Service& accounts, const CallJob& job);

  /// Ends the threads after what they are doing; what waits is dropped.
  void stop();

  /// Thread-safe.
  [[nodiscard]] std::size_t waiting() const { return waiting_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::size_t memory_used() const { return memory_.used(); }

 private:
  using Task = std::move_only_function<void()>;
  struct Worker {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<Task> tasks;  // guarded by mutex
    bool stop = false;       // guarded by mutex
    std::thread thread;
  };
  static constexpr std::size_t kWorkers = 4;

  void run(Worker& worker);
  /// False: too many wait; `task` is destroyed unrun.
  [[nodiscard]] bool queue(std::size_t worker, Task task);
  void reply(relay::ConnectionId connection, std::uint32_t call, identity::calls::CallStatus status,
             const google::protobuf::MessageLite& body);
  void reply_failure(const CallJob& job, const identity::CallFailure& failure);
  void make(const CallJob& job, blobs::Uploader who, std::uint64_t size,
            const std::vector<blobs::BlobTokenHash>& releases);

  blobs::Service& service_;
  Hop io_;
  PublicEdge* edge_ = nullptr;
  BlobMemory memory_{kMemoryBytes, kMemoryBytesPerSource};
  std::atomic<std::size_t> waiting_ = 0;
  std::atomic<std::uint64_t> refused_ = 0;
  std::size_t next_worker_ = 0;  // of the control thread
  std::array<Worker, kWorkers> workers_;
};

}  // namespace opaline::server
