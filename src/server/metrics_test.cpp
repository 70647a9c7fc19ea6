#include "server/metrics.hpp"

#include <gmock/gmock.h>

#include <set>
#include <sstream>

namespace opaline::server {
namespace {

using testing::HasSubstr;

TEST(Metrics, ShowsValuesAndVersions) {
  MetricsSnapshot snapshot;
  snapshot.io.relay.accepted_online = 3;
  snapshot.io.relay.accepted_stored = 4;
  snapshot.io.edge.closed[3] = 5;
  snapshot.ready = true;
  const auto text = render_metrics(snapshot);
  EXPECT_THAT(text, HasSubstr("opaline_relay_accepted_total{how=\"online\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("opaline_relay_accepted_total{how=\"stored\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("opaline_device_connections_closed_total{reason=\"auth_failed\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("opaline_ready 1\n"));
  EXPECT_THAT(text, HasSubstr("openssl=\"OpenSSL 3."));
}

TEST(Metrics, EveryFamilyHasHelpATypeAndFittingName) {
  std::istringstream lines(render_metrics({}));
  std::set<std::string> names;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("# TYPE ")) continue;
    std::istringstream words(line);
    std::string hash, type_word, name, type;
    words >> hash >> type_word >> name >> type;
    EXPECT_TRUE(names.insert(name).second) << name << " is there twice";
    EXPECT_EQ(type == "counter", name.ends_with("_total")) << name;
    EXPECT_THAT(name, testing::StartsWith("opaline_"));
  }
  EXPECT_GT(names.size(), 40U);
}

TEST(Metrics, LabelsAreFixedWords) {
  // Whatever the counters say, the set of series is the same: no label can carry an identifier.
  const auto series = [](const MetricsSnapshot& snapshot) {
    std::istringstream lines(render_metrics(snapshot));
    std::set<std::string> out;
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with("#")) out.insert(line.substr(0, line.rfind(' ')));
    }
    return out;
  };
  MetricsSnapshot busy;
  read_process_figures(busy);
  busy.io.relay.submitted = 1'000'000;
  busy.io.edge.connections = 20'000;
  busy.identity.lookups_charged = 7;
  EXPECT_EQ(series(busy), series({}));
  EXPECT_GT(busy.open_files, 0U);
  EXPECT_GT(busy.resident_bytes, 0U);
}

}  // namespace
}  // namespace opaline::server
