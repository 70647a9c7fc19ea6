#pragma once
// Legal requests, from the day they were served to the day their traces are destroyed (docs/adr/0017-records.md,
// docs/records.md). Everything that happens is an event: its row, what it changes and its leaf in the ledger are one
// write.
#include <functional>
#include <map>
#include <set>

#include "ledger/ledger.hpp"
#include "records/collecting.hpp"
#include "records/lookup_log.hpp"
#include "records/production.hpp"
#include "records/report.hpp"
#include "records/tables.hpp"

namespace opaline::records {

inline constexpr std::chrono::days kKeptAfterClose{90};
inline constexpr std::chrono::days kPreserved{90};
inline constexpr std::chrono::days kNoticeShown{365};  ///< from the day on which it may be told
inline constexpr std::size_t kMaxOfficers = 100;
inline constexpr std::size_t kMaxCasePage = 100;
inline constexpr std::size_t kApprovals = 2;

enum class State : std::uint8_t {
  open,        ///< may be approved, narrowed, refused
  produced,    ///< what was found is sealed to the two officers
  preserved,   ///< the same, but kept back until another case opens it
  collecting,  ///< a pen register that is on
  collected,   ///< a pen register that has ended
  refused,
  closed,
};
[[nodiscard]] std::string_view name(State state);

/// In leaves of the ledger: never reuse a number.
enum class EventKind : std::uint8_t {
  opened = 1,
  approved = 2,
  extracted = 3,
  narrowed = 4,
  refused = 5,
  answered = 6,
  noticed = 7,
  closed = 8,
  destroyed = 9,
  renewed = 10,
  collecting = 11,
  collected = 12,
  ended = 13,
  officer = 14,
};
[[nodiscard]] std::string_view name(EventKind kind);

struct Officer {
  std::string name;
  OfficerPublicKey key;
  Time registered;
};

/// One production as it lies in the store.
struct Produced {
  std::uint32_t number = 0;
  Time made, from, to;
  std::uint32_t pieces = 0;
  std::uint64_t rows = 0;
  ByteArray<32> core_sha256{}, bundle_sha256{};
  std::uint32_t event = 0;  ///< of the case: the one that has core_sha256
  bool destroyed = false;
  friend bool operator==(const Produced&, const Produced&) = default;
};

struct Case {
  CaseId id;
  State state = State::open;
  Time opened;
  std::uint32_t revision = 1;
  Facts facts;
  std::vector<Approval> approvals;  ///< of this revision
  std::vector<Produced> productions;
  std::uint32_t events = 0;
  std::optional<Time> closed, destroy_at, notice_at;
  bool renewed = false;
  bool was_refused = false;
  std::optional<CaseId> opened_by;  ///< of a preservation: the case that opened it
  // Of a pen register that was approved: from when it collects, and until when it was produced. Whole seconds.
  std::optional<Time> collected_from, produced_until;
  std::optional<Time> ended;  ///< before its time
  friend bool operator==(const Case&, const Case&) = default;
};

struct Event {
  std::uint32_t number = 0;
  std::string text;  ///< canonical JSON: "at", "by", "case", "case_sha256", "event", and what belongs to it
  std::uint64_t index = 0;
  ledger::Salt salt{};
};

/// What an officer sees before signing.
struct Preview {
  std::uint32_t revision = 0;
  Facts facts;
  FactsDigest digest;
  Counts counts;  ///< empty for a pen register
  Gaps gaps;
};

/// One thread, but for what it does aside: searching the log, rendering and sealing take seconds where there is much.
/// Everything must outlive it.
class Cases {
 public:
  using Visitor = std::function<bool(const identity::LookupLogEntry&)>;
  /// LookupLog::find.
  using Find = std::function<Result<LookupFindings, store::RowError>(const LookupQuery& query, const Visitor& visit)>;
  using Job = std::move_only_function<void()>;
  /// What is to be collected from now on; also called once when cases are opened.
  using Collect = std::function<void(std::vector<CollectTarget> targets)>;
  struct Ports {
    store::SealedRows& rows;  ///< opened with kTables, and the ledger's
    ledger::Ledger& ledger;
    const Clock& clock;
    RandomSource& random;
    Find find;  ///< called aside
    /// Runs jobs one after the other on a thread of their own, which ends before this object does.
    std::function<void(Job job)> aside;
    /// Runs a job on this object's thread; for those that come from aside.
    std::function<void(Job job)> back;
    Collecting& collecting;
    Collect collect;
    /// Whether there is an officer of this name who is not revoked.
    std::function<bool(std::string_view)> is_officer;
    std::string service_name;
    std::chrono::days retention{};  ///< of the log; for the statement
  };
  /// unavailable: the rows could not be read or do not make sense.
  [[nodiscard]] static Result<std::unique_ptr<Cases>, Error> open(Ports ports);

  // ---- officers and their keys
  [[nodiscard]] std::string service() const { return service_; }
  /// Once for each officer. `signature` is over registration_text. bad_signature, exists, unavailable.
  [[nodiscard]] Result<void, Error> register_key(const std::string& officer, const OfficerPublicKey& key,
                                                 const crypto::HybridSignature& signature);
  [[nodiscard]] const std::vector<Officer>& officers() const { return officers_; }

  // ---- reading
  [[nodiscard]] Result<Case, Error> show(const CaseId& id);
  /// After `after`, at most kMaxCasePage.
  [[nodiscard]] Result<std::vector<Case>, Error> list(const std::optional<CaseId>& after);
  [[nodiscard]] Result<std::vector<Event>, Error> events(const CaseId& id);
  template <class T>
  using Done = std::move_only_function<void(Result<T, Error> result)>;
  /// Counts, aside, what the log has now. not_possible: nothing can be approved any more.
  void preview(const CaseId& id, Done<Preview> done);

  /// Of the cases that were opened in a half-year; reads them all. invalid: it has not begun. unavailable.
  [[nodiscard]] Result<Report, Error> report(const HalfYear& half_year);

  // ---- steps. `by` is an officer's name. Each: not_found, unavailable, not_possible, and:
  struct Refused {
    Error error{};
    std::string why;
  };
  /// invalid with a sentence.
  [[nodiscard]] Result<Case, Refused> open_case(const std::string& by, Facts facts);
  struct Approving {
    std::uint32_t revision = 0;
    FactsDigest facts;
    Counts counts;
    crypto::HybridSignature signature;  ///< over signed_text of these, under kApprovalLabel
  };
  /// The first is kept; the second extracts. no_key, stale, bad_signature, changed, same_officer, too_large. An earlier
  /// approval whose numbers the log does not hold any more, or whose officer was revoked, lapses. The log is searched
  /// aside, and what is found is rendered, sealed and stored there; what makes it a production is one write afterwards.
  /// not_possible: also while the case's extract is being made.
  void approve(const std::string& by, const CaseId& id, Approving approving, Done<Case> done);
  /// Fewer handles, a shorter range. invalid.
  [[nodiscard]] Result<Case, Refused> narrow(const std::string& by, const CaseId& id, Facts facts,
                                             const std::string& reason);
  [[nodiscard]] Result<Case, Error> refuse(const std::string& by, const CaseId& id, const std::string& reason);
  /// What else exists, or does not, in words. At any time. invalid.
  [[nodiscard]] Result<Case, Error> answer(const std::string& by, const CaseId& id, const std::string& words);
  /// That the person is to be told, at `when` at the earliest: from then on notices() has it. invalid.
  [[nodiscard]] Result<Case, Error> notify(const std::string& by, const CaseId& id, Time when,
                                           const std::string& words);
  /// Nothing can be done any more; what was produced is destroyed kKeptAfterClose later.
  [[nodiscard]] Result<Case, Error> close(const std::string& by, const CaseId& id, const std::string& reason);
  /// A pen register that collects, before its time: the next tick() produces what is left.
  [[nodiscard]] Result<Case, Error> end(const std::string& by, const CaseId& id, const std::string& reason);
  /// A preservation, once: kPreserved longer.
  [[nodiscard]] Result<Case, Error> renew(const std::string& by, const CaseId& id, const std::string& reason);

  /// What those who have these handles may be told by now: notices of cases that name a handle and are about a time in
  /// which it was theirs, for kNoticeShown. Newest first, at most identity::kMaxLegalNotices. unavailable.
  [[nodiscard]] Result<std::vector<identity::LegalNotice>, Error> notices(std::span<const identity::HeldHandle> held);

  // ---- what was produced
  struct Handover {
    Produced produced;
    LedgerPart ledger;
  };
  /// not_possible: a preservation that no other case opened. gone.
  [[nodiscard]] Result<Handover, Error> production(const CaseId& id, std::uint32_t number);
  [[nodiscard]] Result<Bytes, Error> piece(const CaseId& id, std::uint32_t number, std::uint32_t piece);

  /// How many pen registers are on.
  [[nodiscard]] std::size_t collections() const;

  /// Begins to produce, aside, what pen registers collected on days that are over, and destroys what is over. Only
  /// while the clock is trusted, and after the log's flush(). False: a store failed, now or aside since the last time;
  /// to be tried again.
  [[nodiscard]] bool tick();

  /// Whether every recorded event fits its leaf, every leaf has its event, and every case is as its last event left it.
  struct Audit {
    bool intact = false;
    std::string why;  ///< where not: a sentence
    ledger::Ledger::Check ledger;
  };
  [[nodiscard]] Audit verify_ledger(const std::optional<ledger::SignedHead>& known);

 private:
  explicit Cases(Ports ports);
  [[nodiscard]] bool load();
  [[nodiscard]] Result<Case*, Error> find(const CaseId& id);
  [[nodiscard]] const Officer* key_of(std::string_view officer) const;
  using Changes = std::function<void(store::SealedRows::Batch& batch)>;
  /// Makes the event of what `next` (and `also`) has become, and all of it durable.
  [[nodiscard]] Result<Case, Error> commit(EventKind kind, const std::string& by, Case next,
                                           boost::json::object details, const std::optional<Case>& also = std::nullopt,
                                           const Changes& changes = {});
  /// What the log has of a request: all of it counted, and, where they are wanted, the first kMaxRows entries.
  struct Found {
    Counts counts;
    Gaps gaps;
    std::vector<Row> rows;
  };
  [[nodiscard]] Result<Found, Error> search(const Facts& facts, bool with_rows) const;
  /// The case, if this officer may sign this now.
  [[nodiscard]] Result<Case*, Error> signable(const std::string& by, const CaseId& id, const Approving& approving);
  void approve_found(const std::string& by, const CaseId& id, const Approving& approving, bool with_rows, Found found,
                     Done<Case> done);
  /// A production that is being made.
  struct Making {
    EventKind kind{};
    std::string by;
    Case next;  ///< with its approvals and its new state
    ProductionInput input;
    std::vector<OfficerPublicKey> recipients;
    std::optional<CaseId> opens;  ///< a preservation
  };
  /// What is sealed of it, and where it begins and ends.
  struct Made {
    Produced produced;
    std::vector<Bytes> pieces;
  };
  [[nodiscard]] Result<void, Error> extract(const std::string& by, Case next, Found found, Done<Case>& done);
  [[nodiscard]] Making making(EventKind kind, const std::string& by, Case next, ProductionInput input) const;
  /// Renders and seals. too_large.
  [[nodiscard]] Result<Made, Error> seal(const Making& making) const;
  /// Of a production that no event has made one: a crash or a failure in between left them.
  [[nodiscard]] bool store_pieces(const CaseId& id, std::uint32_t production, const std::vector<Bytes>& pieces) const;
  [[nodiscard]] bool erase_pieces(const CaseId& id, std::uint32_t production) const;
  /// What was stored becomes a production, with its event.
  [[nodiscard]] Result<Case, Error> extracted(const Making& making, const Produced& produced);
  [[nodiscard]] static boost::json::object details_of(const Making& making, const Produced& produced);
  [[nodiscard]] Result<Case, Error> start_collecting(const std::string& by, Case next);
  /// One day of a pen register, if it is over; and then the next.
  void produce_day(const CaseId& id);
  struct Day {
    Produced produced;
    store::SealedRows::Batch erased;  ///< what is in it, of what was collected
  };
  [[nodiscard]] Result<Day, Error> seal_day(Making& work) const;
  [[nodiscard]] Result<Case, Error> collected(const Making& work, Day made);
  void collect_now();
  [[nodiscard]] ProductionInput input_of(const Case& of) const;
  [[nodiscard]] Result<LedgerPart, Error> proofs(const std::vector<std::pair<CaseId, std::uint32_t>>& events);
  [[nodiscard]] Result<Event, Error> event(const CaseId& id, std::uint32_t number);
  [[nodiscard]] Result<void, Error> destroy(const CaseId& id);

  Ports ports_;
  std::string service_;
  std::map<CaseId, Case> cases_;
  std::vector<Officer> officers_;
  std::uint32_t officer_events_ = 0;
  std::set<CaseId> extracting_;  ///< what is made aside is theirs
  bool day_failed_ = false;
  bool stale_ = false;  ///< a write's outcome is not known: load before the next step
};

}  // namespace opaline::records
