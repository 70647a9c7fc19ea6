#pragma once
// What the operator can watch, in Prometheus's text format (docs/operations.md, "Metrics"). Counts and gauges of the
// whole node; never an identifier, and no label whose values peers choose.
#include <string>

#include "blobs/service.hpp"
#include "identity/drivers/smtp_code_sender.hpp"
#include "identity/service.hpp"
#include "records/lookup_log.hpp"
#include "server/public_edge.hpp"
#include "sms/code_sender.hpp"
#include "store/drivers/file_blob_store.hpp"
#include "store/drivers/rocksdb_mailbox_store.hpp"

namespace opaline::server {

struct MetricsSnapshot {
  EdgeSnapshot io;
  bool io_answered = true;  ///< false: the I/O thread did not answer in time, `io` is from before
  store::RocksdbMailboxStore::Stats store;
  struct Blobs {
    blobs::Counters service;
    store::BlobUsage usage;
    store::FileBlobStore::Stats store;
    std::uint64_t refused_waiting = 0;
    std::size_t waiting = 0, memory_bytes = 0;
  };
  Blobs blobs;
  identity::Counters identity;
  identity::SmtpCodeSender::Counters mail;
  records::LookupLogStats lookup_log;
  std::uint64_t lookups_not_collected = 0;
  std::chrono::days lookup_log_days{};
  sms::CodeSender::Counters short_messages;
  std::size_t control_jobs_waiting = 0;
  std::uint64_t admin_requests = 0, admin_refused = 0;
  bool ready = false;
  bool waiting_for_clock = false;  ///< expiry waits for an operator's confirmation
  bool swap_possible = false;
  Time started;
  Time now;
  Time certificate_expires;
  std::uint64_t open_files = 0, open_files_limit = 0, resident_bytes = 0;
};

[[nodiscard]] std::string render_metrics(const MetricsSnapshot& snapshot);

/// Fills the process's own figures from /proc/self.
void read_process_figures(MetricsSnapshot& snapshot);

/// The program's version, as CMake knows it.
[[nodiscard]] std::string_view version();

}  // namespace opaline::server
