#pragma once
// A simulated device of a person: a real Endpoint on a store in memory.
#include <gtest/gtest.h>

#include "endpoint/memory_endpoint_store.hpp"
#include "tests/sim/line.hpp"

namespace opaline::sim {

class Device final : public Line {
 public:
  using Line::Line;

  void load() override {
    auto loaded = endpoint::Endpoint::load(store, random_, clock_);
    ASSERT_TRUE(loaded) << name << " cannot load its state";
    use(std::move(*loaded));
  }
  void fail_commit() override { store.fail_commits = 1; }
  void mend() override { store.fail_commits = 0; }

  endpoint::MemoryEndpointStore store;
  std::vector<endpoint::Event> events;
  /// Texts in the order in which they were queued, by recipient.
  std::map<AccountId, std::vector<std::pair<MessageId, std::string>>> written;

 private:
  void on_event(const endpoint::Event& event) override { events.push_back(event); }
};

}  // namespace opaline::sim
