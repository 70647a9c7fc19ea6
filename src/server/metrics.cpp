#include "server/metrics.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "crypto/version.hpp"
#include "net/metrics_page.hpp"

namespace opaline::server {
namespace {

using Page = net::MetricsPage;

void relay_metrics(Page& page, const relay::Counters& c) {
  page.counter("relay_submitted_total", "Envelopes that devices handed in.", c.submitted);
  page.counters("relay_accepted_total", "Envelopes answered accepted: acknowledged by the device, or durable.", "how",
                {{"online", c.accepted_online}, {"stored", c.accepted_stored}});
  page.counter("envelopes_stored_total", "Envelopes written to the disk.", c.stored);
  page.counter("envelopes_removed_total", "Stored envelopes removed because their device acknowledged them.",
               c.stored_removed);
  page.counter("relay_mailboxes_destroyed_total", "Mailboxes destroyed with what waited in them, as their device went.",
               c.mailboxes_destroyed);
  page.counters("relay_refused_total", "Envelopes not accepted, by answer.", "answer",
                {{"full", c.full}, {"gone", c.gone}, {"retry", c.retry}, {"held_back", c.held_back}});
  page.counter("relay_pushed_total", "Envelopes pushed to devices.", c.pushed);
  page.counter("relay_acknowledged_total", "Envelopes that devices acknowledged.", c.acknowledged);
  page.counter("relay_expired_total", "Envelopes found beyond retention.", c.expired);
  page.counter("relay_duplicate_submits_total", "Repetitions of envelopes still in flight.", c.duplicate_submits);
  page.counters("relay_ephemeral_total", "Ephemeral envelopes (typing).", "outcome",
                {{"pushed", c.ephemeral_pushed}, {"dropped", c.ephemeral_dropped}});
  page.counter("relay_deadline_spills_total", "Envelopes stored because the device was too slow.", c.deadline_spills);
  page.counters("relay_store_trouble_total", "Answers of the mailbox store other than success.", "kind",
                {{"unknown", c.store_unknown},
                 {"full", c.store_full},
                 {"failed_read", c.store_failed_reads},
                 {"fenced", c.fenced}});
  page.gauge("relay_mailboxes_in_memory", "Mailboxes loaded.", c.mailboxes_in_ram);
  page.gauge("relay_envelopes_in_memory", "Envelopes in flight.", c.envelopes_in_ram);
  page.gauge("relay_memory_bytes", "Ciphertext in flight.", c.ram_bytes);
}

void edge_metrics(Page& page, const relay::EdgeCounters& c) {
  static constexpr std::array<std::string_view, 10> kReasons{
      "by_device", "shutting_down", "protocol_error",  "auth_failed",         "replaced",
      "removed",   "too_slow",      "credit_exceeded", "unsupported_version", "too_many"};
  static_assert(kReasons.size() == std::size(relay::EdgeCounters{}.closed));
  page.gauge("device_connections", "Device connections, authenticated or not.", c.connections);
  page.gauge("device_connections_ready", "Device connections that are authenticated.", c.ready);
  page.counter("device_connections_opened_total", "Device connections opened.", c.opened);
  page.counter("device_authenticated_total", "Device connections that authenticated.", c.authenticated);
  std::vector<Page::Value> closed;
  for (std::size_t i = 0; i < kReasons.size(); ++i) closed.push_back({kReasons[i], c.closed[i]});
  page.counters("device_connections_closed_total", "Device connections ended, by reason.", "reason", closed);
  page.counter("device_calls_total", "Calls of devices.", c.calls);
  page.counter("device_notices_total", "Notices to devices.", c.notices);
  page.counters("device_bytes_total", "Bytes of frames.", "direction", {{"in", c.bytes_in}, {"out", c.bytes_out}});
  page.counters("device_batches_total", "WebSocket messages.", "direction",
                {{"in", c.batches_in}, {"out", c.batches_out}});
}

void http_metrics(Page& page, const MetricsSnapshot& s) {
  const auto& c = s.io.http;
  page.gauge("public_connections", "Open connections of the public listener.", c.open_connections);
  page.counter("public_connections_accepted_total", "Connections accepted.", c.accepted);
  page.counters("public_connections_refused_total", "Connections refused.", "why",
                {{"full", c.refused_full}, {"source", c.refused_source}});
  page.counter("public_accept_backoffs_total", "Pauses for want of file descriptors.", c.accept_backoffs);
  page.counter("public_handshakes_failed_total", "TLS handshakes that failed.", c.handshakes_failed);
  page.counter("public_timeouts_total", "Connections that were too slow.", c.timeouts);
  page.counter("public_requests_total", "HTTP requests.", c.requests);
  page.counter("public_bad_requests_total", "HTTP requests unparsable or over a limit.", c.bad_requests);
  page.counters("public_bytes_total", "Bytes on the wire.", "direction", {{"in", c.bytes_in}, {"out", c.bytes_out}});
  page.gauge("public_buffered_bytes", "Unfinished bodies and messages.", c.buffered_bytes);
  page.gauge("control_jobs_waiting", "Jobs waiting for the control thread.", s.control_jobs_waiting);
  page.counter("control_jobs_refused_total", "Jobs refused because too many were waiting.", s.io.jobs_refused);
}

void store_metrics(Page& page, const store::RocksdbMailboxStore::Stats& c) {
  page.gauge("store_queue_items", "Appends and removals waiting for the committer.", c.queued_items);
  page.gauge("store_days", "Days of which something is stored.", c.days);
  page.counter("store_appended_total", "Envelopes made durable.", c.appended);
  page.counter("store_groups_total", "Group commits: one fsync each.", c.groups);
  page.counter("store_duplicates_total", "Appends that were there already.", c.duplicates);
  page.counters("store_refused_total", "Appends refused.", "why",
                {{"disk_full", c.refused_full}, {"queue_full", c.refused_queue}});
  page.counter("store_failures_total", "Failures of the disk.", c.failures);
  page.counter("store_damaged_total", "Envelopes that could not be opened.", c.damaged);
}

void blob_metrics(Page& page, const MetricsSnapshot::Blobs& b) {
  const auto& c = b.service;
  page.gauge("blobs", "Attachments, unfinished ones included.", b.usage.blobs);
  page.gauge("blobs_unfinished", "Attachments of which not all has come.", b.usage.unfinished);
  page.gauge("blobs_bytes", "What they count as in blobs.max_total_gib.", b.usage.bytes);
  page.counters("blobs_total", "Attachments, by what became of them.", "what",
                {{"created", c.created}, {"completed", c.completed}, {"deleted", c.deleted}, {"dropped", c.dropped}});
  page.counter("blob_releases_total", "Release tokens that were right.", c.released);
  page.counters("blob_bytes_total", "Bytes of attachments.", "direction", {{"in", c.bytes_in}, {"out", c.bytes_out}});
  page.counters("blobs_refused_total", "Requests refused, by why.", "why",
                {{"quota", c.over_quota}, {"unavailable", c.unavailable}, {"waiting", b.refused_waiting}});
  page.counters("blob_store_trouble_total", "Trouble with the files.", "kind",
                {{"failed", b.store.failures}, {"full", b.store.full}, {"damaged", b.store.damaged}});
  page.gauge("blob_jobs_waiting", "Requests waiting for the disk.", b.waiting);
  page.gauge("blob_memory_bytes", "Pieces and answers on their way.", b.memory_bytes);
}

void identity_metrics(Page& page, const identity::Counters& c) {
  page.counters("registration_codes_total", "Registration codes.", "outcome",
                {{"sent", c.codes_sent}, {"refused", c.codes_refused}, {"wrong", c.wrong_codes}});
  page.counter("registrations_total", "Accounts and handles registered.", c.registrations);
  page.counter("registration_takeovers_total", "Handles that went to a new account.", c.takeovers);
  page.counter("registration_wrong_pins_total", "Wrong registration PINs.", c.wrong_pins);
  page.counters("auth_total", "Device signatures checked.", "outcome",
                {{"ok", c.auth_ok}, {"refused", c.auth_refused}});
  page.counter("handles_looked_up_total", "Handles in answered lookups.", c.handles_looked_up);
  page.counters("lookups_total", "Lookups of handles, and questions about accounts by their id.", "kind",
                {{"charged", c.lookups_charged}, {"renewed", c.lookups_renewed}, {"over_quota", c.lookups_over_quota}});
  page.counters("one_time_prekeys_total", "One-time prekeys asked for.", "outcome",
                {{"given", c.one_time_given}, {"withheld", c.one_time_withheld}, {"missing", c.one_time_missing}});
  page.counter("prekey_uploads_total", "Prekey sets uploaded.", c.prekey_uploads);
  page.counter("device_list_updates_total", "Device lists replaced by the next.", c.list_updates);
  page.counters("devices_changed_total", "Devices that device lists brought or left out.", "how",
                {{"added", c.devices_added}, {"removed", c.devices_removed}});
  page.counters("link_exchanges_total", "Link exchanges: opened, joined, and tries to join one that is not there.",
                "outcome", {{"opened", c.links_opened}, {"joined", c.links_joined}, {"refused", c.link_joins_refused}});
  page.counters("recoveries_total", "Recoveries by the account key.", "outcome",
                {{"done", c.recoveries}, {"refused", c.recoveries_refused}});
  page.counters("personas_total", "Devices that joined conversations with businesses, and conversations closed.",
                "what", {{"joined", c.personas_joined}, {"closed", c.personas_closed}});
  page.counter("businesses_enrolled_total", "Gateways that put themselves in.", c.businesses_enrolled);
  page.gauge("businesses", "Businesses there are.", c.businesses);
  page.counter("identity_store_errors_total", "Failures of the directory's store.", c.store_errors);
  page.gauge("verifications_pending", "Codes sent and not used.", c.verifications);
  page.gauge("link_exchanges", "Link exchanges under way.", c.link_exchanges);
  page.gauge("link_exchange_bytes", "Messages in them.", c.link_bytes);
}

void mail_metrics(Page& page, const identity::SmtpCodeSender::Counters& c) {
  page.counters("registration_mails_total", "Mails with codes, by what became of them.", "outcome",
                {{"sent", c.sent}, {"refused", c.refused}, {"retried", c.retried}, {"dropped", c.dropped}});
  page.gauge("registration_mails_waiting", "Mails waiting to be sent.", c.waiting);
}

void short_message_metrics(Page& page, const sms::CodeSender::Counters& c) {
  page.counters("registration_short_messages_total", "Short messages with codes, by what became of them.", "outcome",
                {{"accepted", c.accepted}, {"failed", c.failed}, {"over_budget", c.over_budget}});
  page.gauge("registration_short_messages_waiting", "Short messages that the carrier has not answered.", c.waiting);
}

double seconds_of(Time time) {
  return static_cast<double>(unix_millis(time)) / 1000;
}

void lookup_log_metrics(Page& page, const MetricsSnapshot& s) {
  const records::LookupLogStats& log = s.lookup_log;
  page.gauge("lookup_log_days", "Days for which lookups are logged; 0: not at all.",
             static_cast<double>(s.lookup_log_days.count()));
  page.gauge("lookup_log_entries", "Entries in the lookup log.", log.entries);
  page.gauge("lookup_log_bytes", "Their size on the disk, in keys and values.", log.bytes);
  page.gauge("lookup_log_oldest_seconds", "Time of the oldest; 0: there is none.",
             log.oldest ? seconds_of(*log.oldest) : 0);
  page.gauge("lookup_log_waiting", "Entries that wait for the disk.", log.waiting);
  page.counter("lookup_log_written_total", "Entries written.", log.written);
  page.counters("lookup_log_dropped_total", "Entries lost, by why; the lookups were answered.", "why",
                {{"queue", log.dropped_queue}, {"disk", log.dropped_disk}, {"vault", log.dropped_vault}});
  page.gauge("lookup_collection_active", "1 while lookups are collected for a case.", log.collecting ? 1 : 0);
  page.counter("lookup_collection_entries_total", "Entries collected for cases.", log.collected);
  page.counter("lookup_collection_lost_total", "Entries of a collection that the store did not take.",
               s.lookups_not_collected);
}

}  // namespace

std::string render_metrics(const MetricsSnapshot& s) {
  Page page("opaline_");
  page.info("build_info", "The program and the OpenSSL it runs with.",
            {{"version", std::string(version())}, {"openssl", std::string(crypto::openssl_version())}});
  page.gauge("openssl_version_number", "OpenSSL's version as a number.", crypto::openssl_version_number());
  page.gauge("ready", "1 while devices are served.", s.ready ? 1 : 0);
  page.gauge("start_time_seconds", "When the process started.", seconds_of(s.started));
  page.gauge("uptime_seconds", "How long it has been up.", seconds_of(s.now) - seconds_of(s.started));
  page.gauge("io_thread_answers", "0: the I/O thread is stuck, and its figures are old.", s.io_answered ? 1 : 0);
  page.gauge("expiry_waits_for_operator", "1: the clock jumped; confirm it with `opalined admin confirm-clock`.",
             s.waiting_for_clock ? 1 : 0);
  page.gauge("swap_possible", "1: memory could reach a disk through swap.", s.swap_possible ? 1 : 0);
  page.gauge("certificate_expires_seconds", "When the public certificate ends.", seconds_of(s.certificate_expires));
  page.gauge("process_open_files", "Open file descriptors.", s.open_files);
  page.gauge("process_open_files_limit", "Their limit.", s.open_files_limit);
  page.gauge("process_resident_bytes", "Memory in use.", s.resident_bytes);
  page.counter("admin_requests_total", "Requests of operators.", s.admin_requests);
  page.counter("admin_refused_total", "Of these refused: no token, a wrong one, or no permission.", s.admin_refused);
  relay_metrics(page, s.io.relay);
  edge_metrics(page, s.io.edge);
  http_metrics(page, s);
  store_metrics(page, s.store);
  blob_metrics(page, s.blobs);
  identity_metrics(page, s.identity);
  mail_metrics(page, s.mail);
  lookup_log_metrics(page, s);
  short_message_metrics(page, s.short_messages);
  return page.text();
}

void read_process_figures(MetricsSnapshot& snapshot) {
  std::error_code error;
  const std::filesystem::directory_iterator files("/proc/self/fd", error);
  if (!error) {
    snapshot.open_files = static_cast<std::uint64_t>(std::distance(begin(files), end(files)));
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) snapshot.open_files_limit = limit.rlim_cur;
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  if (statm >> total >> resident) {
    snapshot.resident_bytes = resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  }
}

std::string_view version() {
  return OPALINE_VERSION;
}

}  // namespace opaline::server
