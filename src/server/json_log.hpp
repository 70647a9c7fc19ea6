#pragma once
// The Log port as lines of JSON (docs/operations.md, "Logs"), through spdlog.
//   {"time":"2026-01-31T12:00:00.000Z","level":"info","event":"server_ready","public_port":443}
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "base/bytes.hpp"
#include "base/log.hpp"
#include "base/result.hpp"
#include "base/time.hpp"

namespace spdlog {
class logger;
}

namespace opaline::server {

struct JsonLogOptions {
  LogLevel level = LogLevel::info;
  std::filesystem::path file;  ///< empty: standard error
  /// Of one event name at `warning` or `error`: so many at once, and so many more a minute. What is left out is counted
  /// and the count stands in the next line of that name as "suppressed".
  std::uint32_t warnings_per_minute = 30;
};

/// Thread-safe. Names and field names come from our code; values may come from anywhere: control characters, quotes and
/// bytes that are no UTF-8 are escaped or replaced, so that one event is always one line.
class JsonLog final : public Log {
 public:
  /// The error says which file could not be opened and why. `clock` must outlive the log.
  [[nodiscard]] static Result<std::unique_ptr<JsonLog>, std::string> open(JsonLogOptions options, const Clock& clock);
  ~JsonLog() override;

  void event(LogLevel level, std::string_view name, std::initializer_list<LogField> fields) override;

  /// Opens the file again, for rotation. On an error the open one stays in use.
  [[nodiscard]] Result<void, std::string> reopen();
  void flush();

 private:
  JsonLog(JsonLogOptions options, const Clock& clock, std::shared_ptr<spdlog::logger> logger);

  struct Bucket {
    double tokens = 0;
    Instant filled;
    std::uint64_t suppressed = 0;
  };
  /// False if this one is over the rate; else how many were left out before it.
  bool take(std::string_view name, std::uint64_t& suppressed);

  const JsonLogOptions options_;
  const Clock& clock_;
  std::mutex mutex_;
  std::shared_ptr<spdlog::logger> logger_;              // guarded by mutex_
  std::map<std::string, Bucket, std::less<>> buckets_;  // guarded by mutex_; names are ours, so they are few
};

/// One event as it is written, without the line's end. For tests and other writers of the same format.
[[nodiscard]] std::string json_log_line(Time now, LogLevel level, std::string_view name,
                                        std::span<const LogField> fields, std::uint64_t suppressed);

}  // namespace opaline::server
