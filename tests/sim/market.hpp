#pragma once
// People and businesses in a simulated deployment: what they do, and what must be true of both sides in the end.
#include "tests/sim/business.hpp"
#include "tests/sim/persona.hpp"

namespace opaline::sim {

class Market {
 public:
  /// One person and one business.
  struct Pair {
    std::size_t person = 0, shop = 0;
    Persona persona;
  };

  /// With the world's devices so far, one person each.
  Market(World& world, std::size_t shops);

  void write(std::size_t pair);
  /// A business says something to somebody who has written to it, if anybody has.
  void say_to_somebody(std::size_t shop, SeededRandom& dice);
  void say(std::size_t pair);
  /// Everybody goes on with what is begun; the businesses' software comes by.
  void go_on(SeededRandom& dice);

  /// The weather clears, and all that was begun ends.
  void settle();
  void check() const;

  /// How much of what is checked there was.
  struct Tally {
    std::size_t heard = 0, again = 0, accepted = 0, refused = 0, closings = 0;
    Tally& operator+=(const Tally& more);
  };
  [[nodiscard]] Tally tally() const;

  std::vector<std::unique_ptr<Business>> shops;
  std::vector<std::unique_ptr<Pair>> pairs;

 private:
  /// What a business said, and how things stood then.
  struct Answer {
    std::size_t shop = 0, pair = 0;
    std::size_t said = 0;  ///< index in the business's
    std::uint64_t era = 0, openings = 0;
    bool open = false;
    bool closed = false;     ///< the person had closed ...
    bool in_closed = false;  ///< ... and had not begun to open again when the business was answered
    bool told = false;
  };
  void note_answers();
  [[nodiscard]] std::vector<Business::Heard> heard_of(const Pair& pair) const;
  void check_ids() const;
  void check_heard(const Pair& pair) const;
  void check_answers() const;
  void check_conversation(const Pair& pair) const;

  World& world_;
  std::vector<Answer> answers_;
  std::size_t texts_ = 0;
};

}  // namespace opaline::sim
