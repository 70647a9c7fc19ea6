#pragma once
// The logging port. Structured events with stable names; no content, no contact graph, no secrets; bounded size.
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

namespace opaline {

enum class LogLevel : std::uint8_t { debug, info, warning, error };

/// One field of an event. Values are numbers or short texts (cut at kMaxLogValueBytes).
struct LogField {
  std::string_view name;
  std::variant<std::int64_t, std::string_view> value;
};
inline constexpr std::size_t kMaxLogValueBytes = 256;

/// Where events go. Implementations are thread-safe. No peer may be able to fill the log at `info` or above:
/// what a peer can repeat is `debug` and counted in a metric.
class Log {
 public:
  virtual ~Log() = default;
  virtual void event(LogLevel level, std::string_view name, std::initializer_list<LogField> fields = {}) = 0;
};

/// Drops everything; for tests.
class NullLog final : public Log {
 public:
  void event(LogLevel, std::string_view, std::initializer_list<LogField>) override {}
};

}  // namespace opaline
