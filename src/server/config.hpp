#pragma once
// What an operator can say to `opalined` (docs/opalined.example.toml documents every key; a test compares it with
// this).
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/result.hpp"
#include "base/time.hpp"

namespace opaline::server {

/// Which rooms this process runs.
enum class Role : std::uint8_t {
  all,      ///< the service
  gateway,  ///< businesses: a process of its own, beside the service or in a business's own house
  sms,      ///< the software of the carrier's business: hands people's texts to Kannel
};

/// How registration codes reach people.
enum class CodeDelivery : std::uint8_t {
  smtp,    ///< e-mail through [smtp]; phone numbers are refused until the `sms` role exists
  outbox,  ///< lines of JSON appended to a file: for development
};

struct TlsFiles {
  std::filesystem::path certificate;  ///< PEM with its chain
  std::filesystem::path key;          ///< PEM, not encrypted
  [[nodiscard]] bool empty() const { return certificate.empty() && key.empty(); }
  friend bool operator==(const TlsFiles&, const TlsFiles&) = default;
};

struct ServerSection {
  std::string name = "localhost";
  Role role = Role::all;
  seconds shutdown_within{10};
  bool require_no_swap = false;
  friend bool operator==(const ServerSection&, const ServerSection&) = default;
};
struct PathsSection {
  std::filesystem::path data = "/var/lib/opaline/data";
  std::filesystem::path vault = "/var/lib/opaline/vault";
  std::filesystem::path admin_socket = "/run/opaline/admin.sock";
  std::filesystem::path ports_file;  ///< empty: not written
  bool accept_damage = false;        ///< for one start: go on without what damaged or missing files held
  friend bool operator==(const PathsSection&, const PathsSection&) = default;
};
struct PublicSection {
  std::string listen = "[::]:443";
  TlsFiles tls{"/etc/opaline/tls/certificate.pem", "/etc/opaline/tls/key.pem"};
  std::uint32_t max_connections = 15'000;
  std::uint32_t max_connections_per_source =
      512;  ///< a device has one, and one for each open conversation with a business
  friend bool operator==(const PublicSection&, const PublicSection&) = default;
};
struct OperatorSection {
  std::string listen = "127.0.0.1:8444";
  TlsFiles tls;  ///< empty: plaintext, on loopback alone
  friend bool operator==(const OperatorSection&, const OperatorSection&) = default;
};
/// Of the role `gateway` alone.
struct BusinessSection {
  std::string listen = "[::]:8445";  ///< the MSP API, TLS 1.2 and 1.3
  TlsFiles tls{"/etc/opaline/tls/certificate.pem", "/etc/opaline/tls/key.pem"};
  std::string base_url;  ///< how a business's software reaches it; empty: https://localhost:<port>
  std::string metrics;   ///< /metrics, /healthz, /readyz: plain HTTP on loopback; empty: none
  std::filesystem::path data = "/var/lib/opaline/gateway";
  std::filesystem::path vault = "/var/lib/opaline/gateway-vault";
  std::filesystem::path ports_file;         ///< empty: not written
  std::string service;                      ///< https://HOST[:PORT] of the service
  std::filesystem::path authority;          ///< PEM that signs the service's certificate; empty: the system's
  std::filesystem::path webhook_authority;  ///< PEM that signs webhooks' certificates; empty: the system's
  // In a business's own house; else the service's operator sets businesses up (paths.admin_socket).
  std::string id;  ///< its UUID; empty: hosted
  std::string name;
  std::filesystem::path settings_file;   ///< JSON as `opalined admin business` takes it
  std::filesystem::path enrolment_file;  ///< what `opalined admin business enrol` printed
  friend bool operator==(const BusinessSection&, const BusinessSection&) = default;
};
struct MetricsSection {
  std::string listen = "127.0.0.1:9464";
  friend bool operator==(const MetricsSection&, const MetricsSection&) = default;
};
struct RelaySection {
  std::chrono::days retention{30};
  std::uint32_t mailbox_envelopes = 10'000;
  std::uint64_t mailbox_mib = 64;
  milliseconds delivery_deadline{10'000};
  std::uint64_t ram_mib = 256;
  friend bool operator==(const RelaySection&, const RelaySection&) = default;
};
struct BlobsSection {
  std::uint64_t mib_per_account_per_day = 2048;
  std::uint64_t mib_per_business_per_day = 10'240;
  std::uint64_t mib_per_conversation_per_day = 512;
  std::uint64_t max_total_gib = 50;
  friend bool operator==(const BlobsSection&, const BlobsSection&) = default;
};
struct RegistrationSection {
  CodeDelivery delivery = CodeDelivery::smtp;
  std::filesystem::path outbox_file = "/var/lib/opaline/outbox.jsonl";
  std::uint32_t codes_per_handle_per_day = 10;
  std::uint32_t codes_per_source_per_hour = 30;
  std::uint32_t failed_auth_per_10_minutes = 100;
  std::uint32_t link_opens_per_source_per_hour = 30;
  friend bool operator==(const RegistrationSection&, const RegistrationSection&) = default;
};
struct SmtpSection {
  std::string url = "smtp://localhost:25";
  std::string from = "opaline@localhost";
  std::string user;
  std::filesystem::path password_file;
  std::filesystem::path ca_file;
  bool allow_plaintext = false;
  friend bool operator==(const SmtpSection&, const SmtpSection&) = default;
};
/// Short messages, through a Kannel; without a URL there are none.
struct SmsSection {
  std::string url;  ///< of its sendsms: http on loopback, or https
  std::string user = "opaline";
  std::filesystem::path password_file;
  std::string sender;
  std::string carrier;  ///< UUID of the business that texts to numbers go to; empty: nobody takes them
  std::uint32_t messages_per_day = 1'000;
  std::uint32_t messages_per_country_per_day = 200;
  friend bool operator==(const SmsSection&, const SmsSection&) = default;
};
/// Of the role `sms` alone, with [sms]: the software of the business `sms.carrier`.
struct CarrierSection {
  std::string listen = "127.0.0.1:8447";  ///< the gateway's webhooks; TLS 1.2 and 1.3 where there is a certificate
  TlsFiles tls;                           ///< empty: plaintext, on loopback alone
  std::string gateway;                    ///< https://HOST[:PORT] of the MSP API
  std::filesystem::path authority;        ///< PEM that signs the gateway's certificate; empty: the system's
  std::string msp_id;
  std::filesystem::path msp_secret_file;
  std::string kannel_listen = "127.0.0.1:8448";  ///< Kannel's reports and replies
  std::filesystem::path kannel_secret_file;
  std::uint32_t messages_per_person_per_day = 50;
  std::string metrics;  ///< /metrics, /healthz: plain HTTP on loopback; empty: none
  std::filesystem::path data = "/var/lib/opaline/sms";
  std::filesystem::path vault = "/var/lib/opaline/sms-vault";
  std::filesystem::path ports_file;  ///< empty: not written
  friend bool operator==(const CarrierSection&, const CarrierSection&) = default;
};
struct LookupsSection {
  std::chrono::days log_days{30};  ///< 0: no lookup is logged
  std::uint32_t bucket = 2'000;
  std::uint32_t refill_per_day = 100;
  std::uint32_t per_source_per_day = 20'000;  ///< of an IPv4 address or IPv6 /64, whatever the account
  friend bool operator==(const LookupsSection&, const LookupsSection&) = default;
};
struct RecordsSection {
  bool report_bands = false;  ///< transparency reports have bands instead of numbers
  friend bool operator==(const RecordsSection&, const RecordsSection&) = default;
};
struct AccountsSection {
  std::uint32_t calls_per_hour = 6'000;
  std::uint32_t one_time_prekeys_per_pair_per_day = 4;
  std::uint32_t one_time_prekeys_per_account_per_day = 200;
  std::uint32_t device_list_updates_per_day = 20;
  std::uint32_t link_joins_per_hour = 20;
  std::uint32_t conversations_opened_per_day = 2'000;
  std::uint32_t conversations_joined_per_day = 2'000;
  std::uint32_t business_calls_per_hour = 1'000'000;
  friend bool operator==(const AccountsSection&, const AccountsSection&) = default;
};
struct LogSection {
  LogLevel level = LogLevel::info;
  std::filesystem::path file;  ///< empty: stderr
  std::uint32_t warnings_per_minute = 30;
  friend bool operator==(const LogSection&, const LogSection&) = default;
};

/// Paths are absolute once loaded (relative ones count from the directory of the file they stand in).
struct Config {
  ServerSection server;
  PathsSection paths;
  PublicSection public_listener;  // [public]
  OperatorSection operator_listener;
  BusinessSection business;
  MetricsSection metrics;
  RelaySection relay;
  BlobsSection blobs;
  RegistrationSection registration;
  SmtpSection smtp;
  SmsSection sms;
  CarrierSection carrier;
  LookupsSection lookups;
  RecordsSection records;
  AccountsSection accounts;
  LogSection log;
  friend bool operator==(const Config&, const Config&) = default;
};

/// One thing that is wrong, in the words of whoever has to mend it.
struct ConfigProblem {
  std::string where;       ///< file name, or "--set"
  std::uint32_t line = 0;  ///< from 1; 0: none
  std::string key;         ///< "relay.retention_days"; empty: the file as a whole
  std::string message;

  /// "opalined.toml:12: relay.retention_days: ..."
  [[nodiscard]] std::string text() const;
};
using ConfigProblems = std::vector<ConfigProblem>;

/// `relay.retention_days=7`, as given to --set. A value that is no TOML is taken as a string.
using Override = std::string;

/// Where each key that was given stands: "section.key" to (file or "--set", line).
using ConfigOrigins = std::map<std::string, std::pair<std::string, std::uint32_t>, std::less<>>;
struct LoadedConfig {
  Config config;
  ConfigOrigins origins;
};

/// Reads; every problem found is in the error, and nothing else happens. Unknown keys and sections are problems; the
/// nearest known name is in the message.
[[nodiscard]] Result<LoadedConfig, ConfigProblems> load_config(const std::filesystem::path& file,
                                                               const std::vector<Override>& overrides = {});
/// The same from memory; `base` resolves relative paths, `where` names the text in problems.
[[nodiscard]] Result<LoadedConfig, ConfigProblems> parse_config(std::string_view text, const std::string& where,
                                                                const std::filesystem::path& base,
                                                                const std::vector<Override>& overrides = {});

/// What one key alone cannot show: certificate files there and readable, the vault outside the data directory, settings
/// that need each other, sections of later issues. Reads files, changes nothing. Empty: good.
[[nodiscard]] ConfigProblems check_config(const LoadedConfig& loaded);

/// "section.key" of every key, in the order of the example file.
[[nodiscard]] std::vector<std::string> config_keys();

/// Role by name; the error says what exists and, for names that later issues will bring, that they do not yet.
[[nodiscard]] Result<Role, std::string> parse_role(std::string_view name);

}  // namespace opaline::server
