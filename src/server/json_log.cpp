#include "server/json_log.hpp"

#include <fmt/format.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "base/rfc3339.hpp"
#include "base/utf8.hpp"

namespace opaline::server {
namespace {

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
      return "error";
  }
  return "error";
}

/// A JSON string (RFC 8259 section 7) of at most kMaxLogValueBytes bytes of `value`, cut between characters.
void append_json_string(std::string& out, std::string_view value) {
  out += '"';
  std::size_t taken = 0;
  while (taken < value.size()) {
    const auto rest = value.substr(taken);
    const auto character = first_code_point(as_view(rest));
    const std::size_t size = character ? character->bytes : 0;
    if (taken + std::max<std::size_t>(size, 1) > kMaxLogValueBytes) {
      out += "…";
      break;
    }
    const char c = rest[0];
    if (size == 0) {
      out += "\\ufffd";
    } else if (size > 1) {
      out += rest.substr(0, size);
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
    taken += std::max<std::size_t>(size, 1);
  }
  out += '"';
}

Result<std::shared_ptr<spdlog::logger>, std::string> make_logger(const std::filesystem::path& file) {
  try {
    spdlog::sink_ptr sink;
    if (file.empty()) {
      sink = std::make_shared<spdlog::sinks::stderr_sink_st>();
    } else {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_st>(file.string());
    }
    auto logger = std::make_shared<spdlog::logger>("opalined", std::move(sink));
    logger->set_pattern("%v", spdlog::pattern_time_type::utc);
    logger->set_level(spdlog::level::trace);
    logger->flush_on(spdlog::level::trace);
    logger->set_error_handler([](const std::string&) {});  // a full disk must not end the service
    return logger;
  } catch (const spdlog::spdlog_ex& error) {
    return fail(std::string(error.what()));
  }
}

}  // namespace

std::string json_log_line(Time now, LogLevel level, std::string_view name, std::span<const LogField> fields,
                          std::uint64_t suppressed) {
  std::string out =
      fmt::format("{{\"time\":\"{}\",\"level\":\"{}\",\"event\":", rfc3339_millis(now), level_name(level));
  append_json_string(out, name);
  for (const auto& field : fields) {
    out += ',';
    append_json_string(out, field.name);
    out += ':';
    if (const auto* number = std::get_if<std::int64_t>(&field.value)) {
      out += fmt::format("{}", *number);
    } else {
      append_json_string(out, std::get<std::string_view>(field.value));
    }
  }
  if (suppressed > 0) out += fmt::format(",\"suppressed\":{}", suppressed);
  return out + "}";
}

Result<std::unique_ptr<JsonLog>, std::string> JsonLog::open(JsonLogOptions options, const Clock& clock) {
  OPALINE_TRY(auto logger, make_logger(options.file));
  return std::unique_ptr<JsonLog>(new JsonLog(std::move(options), clock, std::move(logger)));
}

JsonLog::JsonLog(JsonLogOptions options, const Clock& clock, std::shared_ptr<spdlog::logger> logger)
    : options_(std::move(options)), clock_(clock), logger_(std::move(logger)) {}
JsonLog::~JsonLog() = default;

bool JsonLog::take(std::string_view name, std::uint64_t& suppressed) {
  const auto now = clock_.monotonic();
  const double burst = options_.warnings_per_minute;
  auto found = buckets_.find(name);
  if (found == buckets_.end()) found = buckets_.emplace(std::string(name), Bucket{burst, now, 0}).first;
  auto& bucket = found->second;
  const std::chrono::duration<double, std::ratio<60>> passed = now - bucket.filled;
  bucket.tokens = std::min(burst, bucket.tokens + passed.count() * burst);
  bucket.filled = now;
  if (bucket.tokens < 1) {
    ++bucket.suppressed;
    return false;
  }
  bucket.tokens -= 1;
  suppressed = std::exchange(bucket.suppressed, 0);
  return true;
}

void JsonLog::event(LogLevel level, std::string_view name, std::initializer_list<LogField> fields) {
  if (level < options_.level) return;
  const std::lock_guard lock(mutex_);
  std::uint64_t suppressed = 0;
  if (level >= LogLevel::warning && !take(name, suppressed)) return;
  logger_->log(spdlog::level::info, "{}", json_log_line(clock_.now(), level, name, fields, suppressed));
}

Result<void, std::string> JsonLog::reopen() {
  if (options_.file.empty()) return {};
  OPALINE_TRY(auto logger, make_logger(options_.file));
  const std::lock_guard lock(mutex_);
  logger_ = std::move(logger);
  return {};
}

void JsonLog::flush() {
  const std::lock_guard lock(mutex_);
  logger_->flush();
}

}  // namespace opaline::server
