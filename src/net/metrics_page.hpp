#pragma once
// What an operator can watch, in Prometheus's text format (docs/operations.md, "Metrics").
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace prometheus {
struct MetricFamily;
}

namespace opaline::net {

inline constexpr std::string_view kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

/// One family after the other. Names, help and label values are constants of the program: never an identifier.
class MetricsPage {
 public:
  /// `prefix` stands before every name: "opaline_gateway_".
  explicit MetricsPage(std::string_view prefix);
  ~MetricsPage();

  struct Value {
    std::string_view label;
    std::uint64_t value;
  };
  void counter(std::string_view name, std::string_view help, std::uint64_t value);
  /// One for each value of one label.
  void counters(std::string_view name, std::string_view help, std::string_view label, const std::vector<Value>& values);
  void gauge(std::string_view name, std::string_view help, double value);
  void gauge(std::string_view name, std::string_view help, std::integral auto value) {
    gauge(name, help, static_cast<double>(value));
  }
  /// A gauge that is 1, and says what it has to say in its labels: name and value.
  void info(std::string_view name, std::string_view help,
            const std::vector<std::pair<std::string, std::string>>& labels);
  [[nodiscard]] std::string text() const;

 private:
  prometheus::MetricFamily& family(std::string_view name, std::string_view help);

  std::string prefix_;
  std::vector<prometheus::MetricFamily> families_;
};

}  // namespace opaline::net
