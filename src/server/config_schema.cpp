#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "net/address.hpp"
#include "server/internal/config_schema.hpp"

namespace opaline::server::internal {
namespace {

using Read = std::function<std::string(const toml::node&, const std::filesystem::path&)>;

Read text(std::string& out) {
  return [&out](const toml::node& value, const std::filesystem::path&) -> std::string {
    const auto* s = value.as_string();
    if (!s) return "must be a text in quotes";
    if (s->get().size() > 4096) return "is too long (at most 4096 bytes)";
    if (std::ranges::any_of(s->get(), [](unsigned char c) { return c < 0x20 || c == 0x7f; })) {
      return "must not hold control characters";
    }
    out = s->get();
    return {};
  };
}

Read path(std::filesystem::path& out) {
  return [&out](const toml::node& value, const std::filesystem::path& base) -> std::string {
    std::string raw;
    if (auto error = text(raw)(value, base); !error.empty()) return error;
    out = raw.empty() ? std::filesystem::path{} : (base / raw).lexically_normal();
    return {};
  };
}

/// `may_be_empty`: "" switches the listener off.
Read address(std::string& out, bool may_be_empty) {
  return [&out, may_be_empty](const toml::node& value, const std::filesystem::path& base) -> std::string {
    std::string raw;
    if (auto error = text(raw)(value, base); !error.empty()) return error;
    if (raw.empty() && !may_be_empty) return R"(must not be empty; for example "127.0.0.1:8443")";
    if (!raw.empty()) {
      const auto parsed = net::ListenAddress::parse(raw);
      if (!parsed || !parsed->unix_path.empty()) {
        return R"(must be an IP address and a port, for example "127.0.0.1:8443" or "[::]:443")";
      }
    }
    out = raw;
    return {};
  };
}

Read boolean(bool& out) {
  return [&out](const toml::node& value, const std::filesystem::path&) -> std::string {
    const auto* b = value.as_boolean();
    if (!b) return "must be true or false";
    out = b->get();
    return {};
  };
}

/// For integers and std::chrono durations; the unit stands in the key's name.
template <class T>
Read number(T& out, std::int64_t least, std::int64_t most) {
  return [&out, least, most](const toml::node& value, const std::filesystem::path&) -> std::string {
    const auto* n = value.as_integer();
    if (!n || n->get() < least || n->get() > most)
      return fmt::format("must be a whole number from {} to {}", least, most);
    if constexpr (std::is_integral_v<T>) {
      out = static_cast<T>(n->get());
    } else {
      out = T(static_cast<typename T::rep>(n->get()));
    }
    return {};
  };
}

template <class E>
Read choice(E& out, std::vector<std::pair<std::string_view, E>> names) {
  return [&out, names = std::move(names)](const toml::node& value, const std::filesystem::path&) -> std::string {
    const auto* s = value.as_string();
    for (const auto& [name, enumerator] : names) {
      if (s && s->get() == name) {
        out = enumerator;
        return {};
      }
    }
    std::string list;
    for (const auto& entry : names) list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", entry.first);
    return "must be one of " + list;
  };
}

Read role(Role& out) {
  return [&out](const toml::node& value, const std::filesystem::path&) -> std::string {
    const auto* s = value.as_string();
    if (!s) return "must be a text in quotes";
    auto parsed = parse_role(s->get());
    if (!parsed) return parsed.error();
    out = *parsed;
    return {};
  };
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({change, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string_view nearest(std::string_view name, const std::vector<std::string_view>& known) {
  if (name.size() > 64) return {};
  std::string_view best;
  std::size_t best_distance = std::numeric_limits<std::size_t>::max();
  for (const auto candidate : known) {
    const bool part = name.size() >= 3 && (candidate.find(name) != candidate.npos || name.find(candidate) != name.npos);
    const std::size_t distance = part ? 1 : edit_distance(name, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best_distance <= std::max<std::size_t>(2, name.size() / 3) ? best : std::string_view{};
}

std::vector<ConfigKey> config_schema(Config& c) {
  constexpr std::int64_t kMillion = 1'000'000;
  return {
      {"server", "name", text(c.server.name)},
      {"server", "role", role(c.server.role)},
      {"server", "shutdown_within_seconds", number(c.server.shutdown_within, 1, 600)},
      {"server", "require_no_swap", boolean(c.server.require_no_swap)},
      {"paths", "data", path(c.paths.data)},
      {"paths", "vault", path(c.paths.vault)},
      {"paths", "admin_socket", path(c.paths.admin_socket)},
      {"paths", "ports_file", path(c.paths.ports_file)},
      {"paths", "accept_damage", boolean(c.paths.accept_damage)},
      {"public", "listen", address(c.public_listener.listen, false)},
      {"public", "certificate", path(c.public_listener.tls.certificate)},
      {"public", "key", path(c.public_listener.tls.key)},
      {"public", "max_connections", number(c.public_listener.max_connections, 1, 10 * kMillion)},
      {"public", "max_connections_per_source", number(c.public_listener.max_connections_per_source, 1, kMillion)},
      {"operator", "listen", address(c.operator_listener.listen, true)},
      {"operator", "certificate", path(c.operator_listener.tls.certificate)},
      {"operator", "key", path(c.operator_listener.tls.key)},
      {"business", "listen", address(c.business.listen, false)},
      {"business", "certificate", path(c.business.tls.certificate)},
      {"business", "key", path(c.business.tls.key)},
      {"business", "base_url", text(c.business.base_url)},
      {"business", "metrics", address(c.business.metrics, true)},
      {"business", "data", path(c.business.data)},
      {"business", "vault", path(c.business.vault)},
      {"business", "ports_file", path(c.business.ports_file)},
      {"business", "service", text(c.business.service)},
      {"business", "authority", path(c.business.authority)},
      {"business", "webhook_authority", path(c.business.webhook_authority)},
      {"business", "id", text(c.business.id)},
      {"business", "name", text(c.business.name)},
      {"business", "settings_file", path(c.business.settings_file)},
      {"business", "enrolment_file", path(c.business.enrolment_file)},
      {"metrics", "listen", address(c.metrics.listen, true)},
      {"relay", "retention_days", number(c.relay.retention, 1, 30)},
      {"relay", "mailbox_envelopes", number(c.relay.mailbox_envelopes, 16, kMillion)},
      {"relay", "mailbox_mib", number(c.relay.mailbox_mib, 1, 4096)},
      {"relay", "delivery_deadline_ms", number(c.relay.delivery_deadline, 100, 120'000)},
      {"relay", "ram_mib", number(c.relay.ram_mib, 16, 1 << 20)},
      {"blobs", "mib_per_account_per_day", number(c.blobs.mib_per_account_per_day, 0, 1 << 20)},
      {"blobs", "mib_per_business_per_day", number(c.blobs.mib_per_business_per_day, 0, 1 << 20)},
      {"blobs", "mib_per_conversation_per_day", number(c.blobs.mib_per_conversation_per_day, 0, 1 << 20)},
      {"blobs", "max_total_gib", number(c.blobs.max_total_gib, 0, 1 << 20)},
      {"registration", "delivery",
       choice(c.registration.delivery, {{"smtp", CodeDelivery::smtp}, {"outbox", CodeDelivery::outbox}})},
      {"registration", "outbox_file", path(c.registration.outbox_file)},
      {"registration", "codes_per_handle_per_day", number(c.registration.codes_per_handle_per_day, 1, 1000)},
      {"registration", "codes_per_source_per_hour", number(c.registration.codes_per_source_per_hour, 1, kMillion)},
      {"registration", "failed_auth_per_10_minutes", number(c.registration.failed_auth_per_10_minutes, 1, kMillion)},
      {"registration", "link_opens_per_source_per_hour",
       number(c.registration.link_opens_per_source_per_hour, 1, kMillion)},
      {"smtp", "url", text(c.smtp.url)},
      {"smtp", "from", text(c.smtp.from)},
      {"smtp", "user", text(c.smtp.user)},
      {"smtp", "password_file", path(c.smtp.password_file)},
      {"smtp", "ca_file", path(c.smtp.ca_file)},
      {"smtp", "allow_plaintext", boolean(c.smtp.allow_plaintext)},
      {"sms", "url", text(c.sms.url)},
      {"sms", "user", text(c.sms.user)},
      {"sms", "password_file", path(c.sms.password_file)},
      {"sms", "sender", text(c.sms.sender)},
      {"sms", "carrier", text(c.sms.carrier)},
      {"sms", "messages_per_day", number(c.sms.messages_per_day, 0, kMillion)},
      {"sms", "messages_per_country_per_day", number(c.sms.messages_per_country_per_day, 0, kMillion)},
      {"carrier", "listen", address(c.carrier.listen, false)},
      {"carrier", "certificate", path(c.carrier.tls.certificate)},
      {"carrier", "key", path(c.carrier.tls.key)},
      {"carrier", "gateway", text(c.carrier.gateway)},
      {"carrier", "authority", path(c.carrier.authority)},
      {"carrier", "msp_id", text(c.carrier.msp_id)},
      {"carrier", "msp_secret_file", path(c.carrier.msp_secret_file)},
      {"carrier", "kannel_listen", address(c.carrier.kannel_listen, false)},
      {"carrier", "kannel_secret_file", path(c.carrier.kannel_secret_file)},
      {"carrier", "messages_per_person_per_day", number(c.carrier.messages_per_person_per_day, 0, kMillion)},
      {"carrier", "metrics", address(c.carrier.metrics, true)},
      {"carrier", "data", path(c.carrier.data)},
      {"carrier", "vault", path(c.carrier.vault)},
      {"carrier", "ports_file", path(c.carrier.ports_file)},
      {"lookups", "log_days", number(c.lookups.log_days, 0, 30)},
      {"lookups", "bucket", number(c.lookups.bucket, 1, kMillion)},
      {"lookups", "refill_per_day", number(c.lookups.refill_per_day, 1, kMillion)},
      {"lookups", "per_source_per_day", number(c.lookups.per_source_per_day, 1, 1'000 * kMillion)},
      {"records", "report_bands", boolean(c.records.report_bands)},
      {"accounts", "calls_per_hour", number(c.accounts.calls_per_hour, 200, kMillion)},
      {"accounts", "one_time_prekeys_per_pair_per_day",
       number(c.accounts.one_time_prekeys_per_pair_per_day, 0, 10'000)},
      {"accounts", "one_time_prekeys_per_account_per_day",
       number(c.accounts.one_time_prekeys_per_account_per_day, 0, 100'000)},
      {"accounts", "device_list_updates_per_day", number(c.accounts.device_list_updates_per_day, 1, 10'000)},
      {"accounts", "link_joins_per_hour", number(c.accounts.link_joins_per_hour, 1, 10'000)},
      {"accounts", "conversations_opened_per_day", number(c.accounts.conversations_opened_per_day, 1, kMillion)},
      {"accounts", "conversations_joined_per_day", number(c.accounts.conversations_joined_per_day, 1, kMillion)},
      {"accounts", "business_calls_per_hour", number(c.accounts.business_calls_per_hour, 1'000, 100 * kMillion)},
      {"log", "level",
       choice(c.log.level, {{"debug", LogLevel::debug},
                            {"info", LogLevel::info},
                            {"warning", LogLevel::warning},
                            {"error", LogLevel::error}})},
      {"log", "file", path(c.log.file)},
      {"log", "warnings_per_minute", number(c.log.warnings_per_minute, 1, 10'000)},
  };
}

}  // namespace opaline::server::internal
