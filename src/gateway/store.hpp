#pragma once
// What must survive in a gateway, for one business: the endpoint's rows, and in the same commits what people wrote
// (until its webhook took it), what the business wrote (until it is sent) and what became of it. Loop thread only.
#include <deque>
#include <functional>
#include <map>

#include "credentials/opaque_id.hpp"
#include "endpoint/endpoint_store.hpp"
#include "gateway/internal/day_seal.hpp"
#include "gateway/internal/dead_letters.hpp"
#include "gateway/internal/outcomes.hpp"
#include "gateway/tables.hpp"
#include "gateway/translate.hpp"

namespace opaline::gateway {

class Store final : public endpoint::EndpointStore {
 public:
  struct Ports {
    store::JournaledRows& rows;  ///< opened with kTables
    store::KeyVault& vault;
    const Clock& clock;
    const Clock& expiry;  ///< what is over is over by this one (internal::ExpiryClock)
    RandomSource& random;
  };
  /// Reads what waits. failed: the rows or the vault's keys cannot be read.
  [[nodiscard]] static Result<std::unique_ptr<Store>, endpoint::StoreError> open(const Ports& ports,
                                                                                 const msp::Uuid& business);

  // ---- endpoint::EndpointStore. There is no history: what needs one answers that there is none.
  Result<std::optional<SecretBytes>, endpoint::StoreError> get(endpoint::Table table, ByteView key) override;
  Result<std::vector<Row>, endpoint::StoreError> scan(endpoint::Table table, ByteView prefix, ByteView after,
                                                      std::size_t limit) override;
  Result<std::optional<endpoint::MessageBody>, endpoint::StoreError> outgoing(const MessageId& id) override;
  Result<std::vector<HistoryPage>, endpoint::StoreError> history_pages(Time) override {
    return std::vector<HistoryPage>();
  }
  Result<SecretBytes, endpoint::StoreError> history_page(const HistoryPage&) override { return SecretBytes(); }
  Result<std::vector<endpoint::AddContact>, endpoint::StoreError> contacts() override {
    return std::vector<endpoint::AddContact>();
  }
  Result<void, endpoint::StoreError> commit(endpoint::Batch batch) override;

  // ---- what waits for the webhook
  /// Place of a message in its person's queue.
  using Number = std::uint64_t;
  struct Waiting {
    Number number = 0;
    Time received_at;
    Received message;
  };
  /// Personas for whom something waits.
  [[nodiscard]] std::vector<AccountId> people_waiting() const;
  /// The same, of those for whom something came since the last call.
  [[nodiscard]] std::vector<AccountId> take_arrived() { return std::exchange(arrived_, {}); }
  [[nodiscard]] std::size_t waiting() const { return waiting_; }
  [[nodiscard]] bool has_waiting(const AccountId& persona) const;
  /// The oldest that waits, opened; nullopt: none. One whose day is over is buried as `expired`, and one that cannot be
  /// read too, so that the next one has its turn. failed: nothing is known.
  [[nodiscard]] Result<std::optional<Waiting>, endpoint::StoreError> front(const AccountId& persona);
  /// The webhook has taken it: it waits no more. Its row goes with the next commit or forget_taken(), so that one
  /// write ends many; after a crash before that it comes again, by its id.
  void finish(const AccountId& persona, Number number);
  /// To be called soon after finish(). failed, full: the next time.
  [[nodiscard]] Result<void, endpoint::StoreError> forget_taken();
  /// It never will: it becomes a dead letter, with the message unless that could not be read or written anyway.
  [[nodiscard]] Result<void, endpoint::StoreError> bury(const AccountId& persona, Number number, const msp::Uuid& id,
                                                        Refusal why, std::uint32_t attempts);
  enum class Retry : std::uint8_t {
    queued,   ///< it waits again, at its old place in its person's queue: before what is newer
    unknown,  ///< there is no such dead letter
    lost,     ///< its message was not kept, or its day is over
  };
  [[nodiscard]] Result<Retry, endpoint::StoreError> retry(const msp::Uuid& message);
  /// The person has closed the conversation: what waits of it is dropped, and the business is told (`closed` waits
  /// then). Nothing happens if that is known, or the persona is not. failed, full: it goes with the next commit, before
  /// what that brings.
  [[nodiscard]] Result<void, endpoint::StoreError> close(const AccountId& persona);
  /// Whether the business's software hears that its messages were delivered and read: then `delivered` and `read` wait,
  /// from the commit that brought the receipt. False at first.
  void tell_statuses(bool wanted) { tells_statuses_ = wanted; }
  /// True once in kAwayAgain for each person that has written: the text out of hours is theirs now.
  [[nodiscard]] Result<bool, endpoint::StoreError> take_away_turn(const AccountId& persona);
  /// Of a persona that has written; nullopt: none such.
  [[nodiscard]] std::optional<credentials::OpaqueId> opaque_id(const AccountId& persona) const;
  /// True if that person has closed the conversation.
  [[nodiscard]] bool is_closed(const AccountId& persona) const { return is_closed({}, persona); }
  [[nodiscard]] std::size_t people() const { return people_.size(); }

  // ---- what became of the business's messages
  [[nodiscard]] Result<std::optional<Outcome>, endpoint::StoreError> outcome(const msp::Uuid& id);
  /// Of a message that is not sent, as the conversation is closed.
  [[nodiscard]] Result<void, endpoint::StoreError> refuse(const msp::Uuid& id);
  /// Oldest first.
  [[nodiscard]] std::vector<DeadLetter> dead_letters() const;

  /// Drops what is over: outcomes, dead letters. About hourly.
  void tick();
  /// Everything of this business is forgotten: before it is enrolled anew.
  [[nodiscard]] static Result<void, endpoint::StoreError> erase(const Ports& ports, const msp::Uuid& business);

  /// Messages of devices that broke the rules, and so were dropped.
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  struct Person {
    credentials::OpaqueId id;
    bool closed = false;
    Time away_told;
    std::deque<Number> waiting;  ///< rising
  };
  Store(const Ports& ports, const msp::Uuid& business, const store::VaultKey& outcome_key);
  /// What is in memory, from the rows.
  [[nodiscard]] Result<void, endpoint::StoreError> load();

  using Changes = store::JournaledRows::Batch;
  /// What a commit does to what is in memory, once it is durable; in order.
  struct Step {
    AccountId persona;
    credentials::OpaqueId id;
    bool closes = false;           ///< what waits is dropped
    std::optional<Number> number;  ///< waits from now on
  };
  using Steps = std::vector<Step>;
  [[nodiscard]] Result<void, endpoint::StoreError> add(Changes& changes, Steps& steps,
                                                       const endpoint::AddIncoming& change);
  [[nodiscard]] Result<void, endpoint::StoreError> add(Changes& changes, const endpoint::AddOutgoing& change);
  [[nodiscard]] Result<void, endpoint::StoreError> add(Changes& changes, Steps& steps,
                                                       const endpoint::SetOutgoingState& change);
  [[nodiscard]] Result<void, endpoint::StoreError> enqueue(Changes& changes, Steps& steps, const AccountId& persona,
                                                           const credentials::OpaqueId& id, const Received& message);
  [[nodiscard]] Result<void, endpoint::StoreError> close(Changes& changes, Steps& steps, const AccountId& persona,
                                                         const credentials::OpaqueId& id);
  [[nodiscard]] bool is_closed(const Steps& steps, const AccountId& persona) const;
  void apply(const Steps& steps);
  [[nodiscard]] Result<void, endpoint::StoreError> write(Changes changes);

  [[nodiscard]] Bytes key(ByteView rest) const;
  [[nodiscard]] Bytes inbox_key(const AccountId& persona, Number number) const;
  [[nodiscard]] Bytes endpoint_key(endpoint::Table table, ByteView row) const;
  /// Rows of this business: what follows its id in the key, and the value. failed: also where `take` returns false.
  [[nodiscard]] Result<void, endpoint::StoreError> each_row(std::string_view table,
                                                            const std::function<bool(ByteView, ByteView)>& take);
  [[nodiscard]] bool is_waiting(const AccountId& persona, Number number) const;
  /// From memory.
  void remove(const AccountId& persona, Number number);

  Ports ports_;
  msp::Uuid business_;
  internal::DaySeal seal_;
  internal::Outcomes outcomes_;
  internal::DeadLetters dead_letters_;
  std::map<AccountId, Person> people_;
  std::vector<AccountId> arrived_;
  std::vector<Bytes> taken_;        ///< rows of kInbox that are to be erased
  std::vector<AccountId> closing_;  ///< of whom close() could not write it
  std::size_t waiting_ = 0;
  Number next_ = 1;
  bool tells_statuses_ = false;
  std::uint64_t dropped_ = 0;
};

}  // namespace opaline::gateway
