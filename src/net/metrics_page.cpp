#include "net/metrics_page.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <sstream>

namespace opaline::net {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

MetricsPage::MetricsPage(std::string_view prefix) : prefix_(prefix) {}
MetricsPage::~MetricsPage() = default;

MetricFamily& MetricsPage::family(std::string_view name, std::string_view help) {
  return families_.emplace_back(MetricFamily{prefix_ + std::string(name), std::string(help), MetricType::Gauge, {}});
}

void MetricsPage::counter(std::string_view name, std::string_view help, std::uint64_t value) {
  counters(name, help, {}, {{{}, value}});
}

void MetricsPage::counters(std::string_view name, std::string_view help, std::string_view label,
                           const std::vector<Value>& values) {
  MetricFamily& out = family(name, help);
  out.type = MetricType::Counter;
  for (const Value& one : values) {
    ClientMetric& metric = out.metric.emplace_back();
    if (!label.empty()) metric.label.push_back({std::string(label), std::string(one.label)});
    metric.counter.value = static_cast<double>(one.value);
  }
}

void MetricsPage::gauge(std::string_view name, std::string_view help, double value) {
  family(name, help).metric.emplace_back().gauge.value = value;
}

void MetricsPage::info(std::string_view name, std::string_view help,
                       const std::vector<std::pair<std::string, std::string>>& labels) {
  ClientMetric& metric = family(name, help).metric.emplace_back();
  for (const auto& [label, value] : labels) metric.label.push_back({label, value});
  metric.gauge.value = 1;
}

std::string MetricsPage::text() const {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families_);
  return out.str();
}

}  // namespace opaline::net
