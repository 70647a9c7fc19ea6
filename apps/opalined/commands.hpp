#pragma once
// What the commands of opalined share.
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "server/config.hpp"
#include "server/json_log.hpp"

namespace opaline::daemon {

enum class Exit : int { ok = 0, failed = 1, usage = 2 };

struct GlobalOptions {
  std::filesystem::path config_file = "/etc/opaline/opalined.toml";
  std::optional<std::filesystem::path> dev;
  std::optional<std::uint16_t> port;  ///< with --dev
  std::vector<server::Override> overrides;
  std::string role;  ///< empty: what the configuration says
};

/// Reads the configuration that the options name. Problems are printed to standard error. `check`, for serving: with
/// --dev makes its directory ready first, and reports what check_config finds.
[[nodiscard]] std::optional<server::LoadedConfig> load(const GlobalOptions& options, bool check);

/// The sentence goes to standard error.
Exit failed(std::string_view sentence);
/// Where the configuration says. The error is a sentence.
[[nodiscard]] Result<std::unique_ptr<server::JsonLog>, std::string> open_log(const server::Config& config,
                                                                             const Clock& clock);

struct AdminArguments {
  std::optional<std::filesystem::path> socket;  ///< instead of the configuration's
  bool json = false;
  std::string name, role;
  std::int64_t token_days = 90;
  std::uint64_t after = 0;
  std::uint64_t limit = 100;
  bool verify = false;
  bool all = false;
  std::string known_head;  ///< SEQUENCE:HASH
};
[[nodiscard]] Exit admin_operator_create(const GlobalOptions& options, const AdminArguments& arguments);
[[nodiscard]] Exit admin_operator_token(const GlobalOptions& options, const AdminArguments& arguments);
[[nodiscard]] Exit admin_operator_list(const GlobalOptions& options, const AdminArguments& arguments);
[[nodiscard]] Exit admin_operator_revoke(const GlobalOptions& options, const AdminArguments& arguments);
[[nodiscard]] Exit admin_audit(const GlobalOptions& options, const AdminArguments& arguments);
[[nodiscard]] Exit admin_status(const GlobalOptions& options, const AdminArguments& arguments);
[[nodiscard]] Exit admin_reload(const GlobalOptions& options, const AdminArguments& arguments);
[[nodiscard]] Exit admin_confirm_clock(const GlobalOptions& options, const AdminArguments& arguments);

/// Of `admin business`. What is not given stays as it is, or gets its default.
struct BusinessArguments {
  std::string id;  ///< a UUID, or urn:biz: and one
  std::optional<std::string> name, webhook, msp_id, website, away_text, hours, capabilities;
  std::optional<std::filesystem::path> msp_secret_file, logo;
  std::optional<std::int64_t> max_token_age;
  std::optional<bool> gzip, status_webhooks, signed_webhooks, allow_private_webhooks, moves_to_own_gateway;
  bool own_gateway = false;
};
[[nodiscard]] Exit admin_business_create(const GlobalOptions& options, const AdminArguments& arguments,
                                         const BusinessArguments& business);
[[nodiscard]] Exit admin_business_list(const GlobalOptions& options, const AdminArguments& arguments);
[[nodiscard]] Exit admin_business_show(const GlobalOptions& options, const AdminArguments& arguments,
                                       const BusinessArguments& business);
[[nodiscard]] Exit admin_business_update(const GlobalOptions& options, const AdminArguments& arguments,
                                         const BusinessArguments& business);
[[nodiscard]] Exit admin_business_rotate_secret(const GlobalOptions& options, const AdminArguments& arguments,
                                                const BusinessArguments& business);
[[nodiscard]] Exit admin_business_enrol(const GlobalOptions& options, const AdminArguments& arguments,
                                        const BusinessArguments& business);
[[nodiscard]] Exit admin_business_remove(const GlobalOptions& options, const AdminArguments& arguments,
                                         const BusinessArguments& business);

/// Of the gateway that the configuration names, over its own socket.
[[nodiscard]] Exit admin_dead_letters_list(const GlobalOptions& options, const AdminArguments& arguments);
/// `arguments.name`: a message's id; empty: all.
[[nodiscard]] Exit admin_dead_letters_retry(const GlobalOptions& options, const AdminArguments& arguments);

struct BackupArguments {
  std::filesystem::path file;
  std::optional<std::filesystem::path> passphrase_file;
};
[[nodiscard]] Exit backup(const GlobalOptions& options, const BackupArguments& arguments);
[[nodiscard]] Exit restore(const GlobalOptions& options, const BackupArguments& arguments);

[[nodiscard]] Exit serve(const GlobalOptions& options);
/// The role `gateway`.
[[nodiscard]] Exit serve_gateway(const server::Config& config);
/// The role `sms`.
[[nodiscard]] Exit serve_sms(const server::Config& config);
[[nodiscard]] Exit check(const GlobalOptions& options);

}  // namespace opaline::daemon
