#pragma once
// People with several devices each in a simulated deployment: what they do, and what must be true of all of their
// devices in the end.
#include <set>

#include "tests/sim/world.hpp"

namespace opaline::sim {

class People {
 public:
  struct Person {
    AccountId account;
    std::size_t primary = 0;
    std::vector<std::size_t> devices, linking;
  };
  struct Text {
    MessageId id;
    std::string text;
    std::size_t from = 0;
    AccountId by, to;
    std::set<std::size_t> audience;  ///< on one of the two lists, as their primary devices knew, when it was written
  };

  /// The world's devices so far, one person each.
  explicit People(World& world);

  /// From this device to the person; not if its store is about to fail. False: not now.
  bool write(std::size_t from, std::size_t person);
  void read_all(std::size_t device);
  /// Takes off one of the linked devices, if there is one and the list is not being changed.
  void unlink_one(std::size_t person, SeededRandom& dice);
  void start_link(std::size_t person);
  /// Those that are on the list by now begin.
  void finish_links(bool ask_history);
  /// start_link and finish_links with all that has to happen in between; the new device's index.
  std::size_t link(std::size_t person, bool ask_history = false);

  /// Runs, and is on its account's list as the primary device knows it.
  [[nodiscard]] bool is_live(std::size_t device) const;
  [[nodiscard]] std::vector<std::size_t> live_of(const Person& person) const;
  [[nodiscard]] std::size_t any_of(std::size_t person, SeededRandom& dice) const;

  /// Lets links end and everything arrive.
  void settle();
  /// Every text once at every device that it was for, in order per sender, and reported to every device of its author.
  /// `late`: it may have been sent again. `from`: only texts from this number on.
  void check(bool late = false, std::size_t from = 0) const;
  /// The texts of this account that came to the device.
  [[nodiscard]] std::multiset<std::string> came_to(std::size_t device) const;

  std::vector<Person> all;
  std::vector<Text> texts;

 private:
  void check_text(const Text& text, bool late) const;

  World& world_;
};

}  // namespace opaline::sim
