#include "gateway/metrics.hpp"

#include <gmock/gmock.h>

#include <set>
#include <sstream>

#include "support/source_file.hpp"

namespace opaline::gateway {
namespace {

using ::testing::HasSubstr;

MetricsSnapshot busy() {
  MetricsSnapshot out;
  out.counters = {.received = 1,
                  .webhooks = 2,
                  .webhook_failures = 3,
                  .dead_letters = 4,
                  .dropped = 5,
                  .sent = 6,
                  .repeated = 7,
                  .refused_closed = 8,
                  .refused_unknown = 9,
                  .waiting = 10,
                  .people = 11};
  out.businesses = 12;
  out.connected = 13;
  out.dead_letters = 14;
  out.api.requests = 15;
  out.api.bad_requests = 16;
  out.api.handshakes_failed = 17;
  out.api.open_connections = 18;
  out.api.buffered_bytes = 19;
  return out;
}

TEST(GatewayMetrics, EveryFigureIsThereUnderANameOfItsOwn) {
  std::istringstream lines(render_metrics(busy()));
  std::set<std::string> values, names;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("#")) continue;
    values.insert(line.substr(line.rfind(' ') + 1));
    names.insert(line.substr(0, line.rfind(' ')));
  }
  for (int i = 1; i <= 19; ++i) EXPECT_TRUE(values.contains(std::to_string(i))) << i;
  EXPECT_EQ(names.size(), 19U);
  EXPECT_THAT(render_metrics(busy()), HasSubstr("opaline_gateway_webhooks_total{outcome=\"taken\"} 2\n"));
}

TEST(GatewayMetrics, EveryFamilyIsInTheManual) {
  const std::string page = opaline::testing::source_file("docs/operations.md");
  std::istringstream lines(render_metrics({}));
  std::size_t families = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("# TYPE ")) continue;
    std::istringstream words(line);
    std::string hash, type_word, name, type;
    words >> hash >> type_word >> name >> type;
    EXPECT_EQ(type == "counter", name.ends_with("_total")) << name;
    EXPECT_THAT(page, HasSubstr("`" + name + "`"));
    ++families;
  }
  EXPECT_EQ(families, 14U);
}

TEST(GatewayMetrics, ReadyIsWhoIsConnected) {
  net::HttpRequest request;
  request.target = "/readyz";
  EXPECT_EQ(serve_metrics(request, {}).status, 200U);
  MetricsSnapshot half;
  half.businesses = 2;
  half.connected = 1;
  EXPECT_EQ(serve_metrics(request, half).status, 503U);
  request.target = "/metrics";
  EXPECT_EQ(as_text(serve_metrics(request, busy()).body), render_metrics(busy()));
  request.target = "/";
  EXPECT_EQ(serve_metrics(request, {}).status, 404U);
}

TEST(GatewayMetrics, SumsLoseNothing) {
  Counters sum = busy().counters;
  add(sum, busy().counters);
  MetricsSnapshot twice = busy();
  twice.counters = {.received = 2,
                    .webhooks = 4,
                    .webhook_failures = 6,
                    .dead_letters = 8,
                    .dropped = 10,
                    .sent = 12,
                    .repeated = 14,
                    .refused_closed = 16,
                    .refused_unknown = 18,
                    .waiting = 20,
                    .people = 22};
  MetricsSnapshot added = busy();
  added.counters = sum;
  EXPECT_EQ(render_metrics(added), render_metrics(twice));
}

}  // namespace
}  // namespace opaline::gateway
