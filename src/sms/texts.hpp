#pragma once
// What became of persons' texts, and who wrote to a number last. Never a text.
#include <optional>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "carrier/line.hpp"
#include "crypto/hash.hpp"
#include "sms/error.hpp"
#include "sms/tables.hpp"
#include "store/sealed_rows.hpp"

namespace opaline::sms {

struct TextRow {
  enum class State : std::uint8_t {
    handing_over = 1,  ///< Kannel may have it, or not
    handed = 2,        ///< Kannel has it, or may: a report may come
    ended = 3,         ///< nothing comes any more
  };
  State state{};
  /// What the person is still to be told.
  std::optional<carrier::Fate> tell = {};
  seconds later{};          ///< with over_budget
  Time since{};             ///< when the text came
  std::string person = {};  ///< opaque id; empty: forgotten
  std::string number = {};  ///< empty: forgotten, or none was named
  friend bool operator==(const TextRow&, const TextRow&) = default;
};
/// u8 version (1), u8 state, u8 tell (0: nothing), u32 later, u64 ms, person and number with their lengths.
[[nodiscard]] Bytes encode(const TextRow& row);
[[nodiscard]] std::optional<TextRow> decode_text_row(ByteView bytes);

/// One thread. All calls: unavailable if the store fails; nothing has changed then.
class Texts {
 public:
  /// The rows and the clock outlive this; the key is copied.
  Texts(store::SealedRows& rows, const store::VaultKey& number_key, const Clock& clock)
      : rows_(rows), number_key_(number_key.reveal()), clock_(clock) {}

  /// nullopt: never seen, or too long ago.
  [[nodiscard]] Result<std::optional<TextRow>, Error> find(const MessageId& id);
  [[nodiscard]] Result<void, Error> put(const MessageId& id, const TextRow& row);
  /// The row, and that its person wrote to its number last, together.
  [[nodiscard]] Result<void, Error> begin(const MessageId& id, const TextRow& row);
  /// Who wrote to this number last, within kReplyDays; nullopt: nobody.
  [[nodiscard]] Result<std::optional<std::string>, Error> last_writer(std::string_view number);
  /// The person has closed the conversation: no reply and no report is theirs.
  [[nodiscard]] Result<void, Error> forget(std::string_view person);
  /// Rows with something to tell, and those that a crash has left at handing_over: by id.
  [[nodiscard]] Result<std::vector<MessageId>, Error> unfinished();
  /// Forgets what is over.
  [[nodiscard]] Result<void, Error> expire();

 private:
  [[nodiscard]] store::SealedKey key_of(std::string_view number) const;
  template <class Visit>
  [[nodiscard]] Result<void, Error> each(std::string_view table, Visit visit);
  [[nodiscard]] Result<void, Error> write(store::SealedRows::Batch batch);

  store::SealedRows& rows_;
  const crypto::HmacSha256Key number_key_;
  const Clock& clock_;
};

}  // namespace opaline::sms
