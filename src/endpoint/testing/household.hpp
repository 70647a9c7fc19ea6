#pragma once
// For this room's storms: people with several devices each, what each of them did, and what must be true of all of
// their devices once it is calm.
#include <set>

#include "endpoint/testing/world.hpp"

namespace opaline::endpoint::testing {

struct Person {
  AccountId account;
  Device* primary = nullptr;
  std::vector<Device*> devices;                           ///< all that there ever were
  std::vector<Device*> linking;                           ///< made, not begun yet
  std::map<AccountId, std::pair<bool, Device*>> blocked;  ///< the last word, and where it was said
  std::set<AccountId> ever_blocked;
  /// By id, and where: to be gone from all devices.
  std::map<MessageId, Device*> deleted;
  /// With the conversation: gone from where they were.
  std::set<MessageId> perhaps_deleted;
};

struct WrittenText {
  MessageId id;
  Device* from = nullptr;
  AccountId by, to;
  Time at{};
  std::string text;
  std::set<Device*> audience;  ///< on one of the two lists when it was written
  bool marked_read = false;    ///< a device that is there to the end said so
};

class Household {
 public:
  Household(World& world, SeededRandom& dice, std::size_t people);

  // ---- what people do; not while the device's commits fail (a text is noted if it is there all the same)
  void say(Device& from, const AccountId& to);
  void read_some(Device& device);
  void delete_some(Device& device);
  void delete_conversation(Device& device);
  void block(Device& device, const AccountId& whom, bool blocked);
  void start_link(Person& person);
  /// What the service has taken begins.
  void finish_links(Person& person, bool told);
  void unlink_one(Person& person);

  [[nodiscard]] Person& person_of(const Device& device);
  [[nodiscard]] Person& other_than(const Person& person);
  [[nodiscard]] Device& any();
  /// Runs, and is on its account's list at the service.
  [[nodiscard]] bool is_live(const Device& device) const;
  [[nodiscard]] std::vector<Device*> live() const;
  [[nodiscard]] std::vector<Device*> live_of(const Person& person) const;

  // ---- after the calm
  struct Expect {
    bool late = false;                 ///< something may have been sent again, or come with the history
    bool states = true;                ///< every device knows what became of every text
    Time since = kStart;               ///< of what was written before, copies may be missing
    const Device* set_back = nullptr;  ///< it may have forgotten what it was told
  };
  void check(const Expect& expect) const;

  std::vector<Person> people;
  std::vector<WrittenText> texts;

 private:
  [[nodiscard]] bool listed(const Device& device) const;
  void check_text(const WrittenText& text, const Expect& expect) const;
  void check_agreement(const Person& person) const;
  void check_order(const Device& device, bool late) const;

  World& world_;
  SeededRandom& dice_;
};

}  // namespace opaline::endpoint::testing
