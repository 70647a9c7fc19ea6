#pragma once
// SealedRows for who commits often, changes the same rows again and again, and erases soon what it wrote: a commit is
// one row of a journal, sealed as a whole, and the rows themselves go to their places later, each once, with what it
// is then (docs/adr/0019-journaled-rows.md). Until then they are read from memory; after a crash, from the journal.
//
// A row of the journal, by a number that rises (u64): u8 version (1), then for each change u8 length of table || table
// || u16 length of key || key || u8 0: erased, 1: put || of a put u32 length of value || value.
#include <map>
#include <memory>
#include <optional>
#include <span>

#include "store/sealed_rows.hpp"

namespace opaline::store {

/// All keys are clear ones. One thread only. Borrows the rows and the tables' names.
class JournaledRows {
 public:
  /// Reads the journal: what was committed is there. failed: a row of it is not authentic, or not of these `tables`,
  /// which are those whose rows are changed here, by nobody else.
  [[nodiscard]] static Result<std::unique_ptr<JournaledRows>, RowError> open(SealedRows& rows,
                                                                             std::span<const std::string_view> tables,
                                                                             std::string_view journal);
  JournaledRows(const JournaledRows&) = delete;
  JournaledRows& operator=(const JournaledRows&) = delete;

  /// Changes that happen together or not at all, in order.
  class Batch {
   public:
    Batch& put(std::string_view table, ByteView key, ByteView value);
    Batch& erase(std::string_view table, ByteView key);
    [[nodiscard]] bool empty() const { return changes_.empty(); }

   private:
    friend class JournaledRows;
    struct Change {
      std::string_view table;
      Bytes key;
      std::optional<SecretBytes> value;  ///< nullopt: erased
    };
    std::vector<Change> changes_;
  };
  /// As RowStore::write. On a full disk a batch goes through that only erases, if its rows are in their places: it is
  /// done there at once. After `unknown` any other batch is not there in this process; the next one that is written
  /// replaces it for good.
  [[nodiscard]] Result<void, RowError> write(Batch batch);

  /// nullopt: no such row. failed: also a row that is not authentic.
  [[nodiscard]] Result<std::optional<SecretBytes>, RowError> get(std::string_view table, ByteView key);
  /// As SealedRows::scan.
  [[nodiscard]] Result<std::vector<SealedRows::Row>, RowError> scan(std::string_view table, ByteView prefix,
                                                                    ByteView after, std::size_t limit);

  /// Brings some rows to their places and drops what the journal says of them; true: there are more. To be called every
  /// second or so, and soon again while there are more: writes do some of it, too, so what is in memory stays small.
  [[nodiscard]] Result<bool, RowError> settle();
  /// The journal is empty then: before the program ends.
  [[nodiscard]] Result<void, RowError> settle_all();
  /// True if the journal says nothing of that row.
  [[nodiscard]] bool is_settled(std::string_view table, ByteView key) const {
    return find({index_of(table), key}) == nullptr;
  }

 private:
  using Value = std::optional<SecretBytes>;  ///< nullopt: erased
  struct Place {
    std::size_t table;  ///< in tables_
    Bytes key;
  };
  struct PlaceView {
    PlaceView(std::size_t table_of, ByteView key_of) : table(table_of), key(key_of) {}
    explicit(false) PlaceView(const Place& place) : table(place.table), key(place.key) {}
    std::size_t table;
    ByteView key;
  };
  struct Before {
    using is_transparent = void;
    bool operator()(const PlaceView& a, const PlaceView& b) const;
  };
  using Rows = std::map<Place, Value, Before>;
  /// What some commits, one after the other, have left.
  struct Generation {
    Rows rows;
    std::uint64_t first = 0, end = 0;  ///< their numbers: from `first` to before `end`
    std::size_t bytes = 0;
    [[nodiscard]] bool is_empty() const { return first == end; }
  };

  JournaledRows(SealedRows& rows, std::span<const std::string_view> tables, std::string_view journal)
      : rows_(rows), tables_(tables), journal_(journal) {}
  [[nodiscard]] Result<void, RowError> load();
  [[nodiscard]] std::optional<std::size_t> known(std::string_view table) const;
  /// In tables_, where it has to be.
  [[nodiscard]] std::size_t index_of(std::string_view table) const;
  [[nodiscard]] static SecretBytes encode(const Batch& batch);
  [[nodiscard]] bool decode(ByteView bytes, Batch& batch) const;
  void apply(Batch batch, std::uint64_t number);

  /// What is in memory of a row; nullptr: nothing, it is in its place.
  [[nodiscard]] const Value* find(const PlaceView& place) const;
  /// The first row in memory of `table` behind `after` (or at `from`, whichever is greater) that begins with `prefix`.
  [[nodiscard]] const Rows::value_type* first_changed(std::size_t table, ByteView prefix, ByteView after) const;
  /// True if the batch does nothing but erase rows of which the journal says nothing.
  [[nodiscard]] bool erases_settled_rows(const Batch& batch) const;

  void begin_settling();
  /// Adds what brings some more rows of settling_ to their places; returns the first of those that come next.
  [[nodiscard]] Rows::const_iterator add_settled(SealedRows::Batch& batch, std::size_t rows) const;
  void are_settled(Rows::const_iterator end);

  SealedRows& rows_;
  std::span<const std::string_view> tables_;
  std::string_view journal_;
  Generation active_, settling_;
  /// Of settling_: those before it are in their places, too. They stay in memory as long as the journal has them.
  Rows::const_iterator unsettled_;
  std::uint64_t next_ = 0;  ///< number of the next commit
  std::size_t writes_ = 0;  ///< since the last settle()
  /// A commit ended as `unknown`: the journal may have a row at next_, to be replaced by whatever comes.
  bool uncertain_ = false;
  /// Some write ended as `unknown`: a row may come to its place with a restart that is not seen there now.
  bool may_come_ = false;
};

}  // namespace opaline::store
