#pragma once
// A deployment on one thread: devices, a node, lines between them, a clock; everything that happens is drawn from one
// seed.
#include <memory>
#include <vector>

#include "tests/sim/device.hpp"
#include "tests/sim/node.hpp"

namespace opaline::sim {

/// What may happen besides messages, in per mille of the steps.
struct Weather {
  std::uint64_t cuts = 0;     ///< a line is cut, with all that is on it
  std::uint64_t offline = 0;  ///< a device leaves or comes back
  std::uint64_t device_crashes = 0;
  std::uint64_t node_crashes = 0;
  std::uint64_t failed_commits = 0;  ///< a device's store fails once
  std::uint64_t disk_faults = 0;     ///< the node's disk is full or uncertain for a while
  std::uint64_t clock_jumps = 0;     ///< minutes to hours, either way
};

class World {
 public:
  World(std::uint64_t seed, std::size_t people, Weather weather);

  /// One thing happens.
  void step();
  /// The weather clears: everybody is online, the disk works; steps until nothing is left to do.
  void settle();
  /// Moves the clock and lets timers run.
  void advance(std::chrono::nanoseconds by);
  void write(std::size_t from, std::size_t to);
  /// A new device, and the list with it on its way from the primary one; nullopt: not now. Its index; it does not run.
  [[nodiscard]] std::optional<std::size_t> start_link(std::size_t primary);
  /// Once the primary one has the list: the device begins. False: not yet, or never.
  bool finish_link(std::size_t fresh, std::size_t primary, bool ask_history);
  /// Commits what the device was told, and lets it out.
  void round(Line& line);
  void connect(Line& line);
  void disconnect(Line& line);
  /// It stays away until settle().
  void keep_offline(std::size_t i) { devices_[i]->wants_online = false; }
  /// A gateway, or a persona's device: the weather is its too. It outlives the world.
  void add(Line& line) { lines_.push_back(&line); }
  /// A line's process dies (of a gateway: its machine loses power) and is there again.
  void crash(Line& line);
  void stop(Line& line);
  /// The power of the node's machine fails and comes back.
  void crash_node();
  /// Steps of the node and the lines until nothing moves (time stands still).
  void drain();

  [[nodiscard]] Device& device(std::size_t i) { return *devices_[i]; }
  [[nodiscard]] std::size_t size() const { return devices_.size(); }
  [[nodiscard]] Node& node() { return node_; }
  SeededRandom random;
  ManualClock clock;
  /// Every byte that the server was given, for the search for plaintext.
  Bytes seen_by_server;
  bool record_bytes = false;

 private:
  [[nodiscard]] bool deliver(std::size_t which);
  void rough_weather();
  [[nodiscard]] bool happens(std::uint64_t per_mille) { return per_mille > 0 && random.below(1000) < per_mille; }
  void lose(const std::shared_ptr<Pipe>& pipe);
  Device& add_device(const std::string& name);

  Weather weather_;
  Node node_;
  std::vector<std::unique_ptr<Device>> devices_;
  std::vector<Line*> lines_;  // also the devices'
  std::uint64_t written_ = 0;
};

}  // namespace opaline::sim
