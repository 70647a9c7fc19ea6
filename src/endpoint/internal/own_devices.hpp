#pragma once
// This account's devices: the list and its changes, and what they say of themselves (docs/endpoint.md, "Own devices").
#include "endpoint/internal/outbox.hpp"

namespace opaline::endpoint::internal {

class OwnDevices {
 public:
  OwnDevices(Core& core, Peers& peers, Outbox& outbox, Link& link, Requests& requests)
      : core_(core), peers_(peers), outbox_(outbox), link_(link), requests_(requests) {}
  void load();

  // ---- changes of the list: signed here, taken by the service, and only then ours
  [[nodiscard]] Result<void, Error> add(const session::DeviceList& next, ByteView exchange,
                                        const UploadPrekeys& prekeys);
  [[nodiscard]] Result<void, Error> remove(DeviceNumber number);
  [[nodiscard]] Result<void, Error> become_primary(const session::AccountKey& key, DeviceNumber replaced);
  /// Of a persona: another device of the person has renewed the root.
  void adopt(const session::AccountKey& key);
  [[nodiscard]] bool change_pending() const { return next_.has_value(); }
  [[nodiscard]] Result<session::AccountKey, Error> account_key();
  [[nodiscard]] bool has_account_key() { return core_.staging.has(Table::device, as_view(kAccountKeyKey)); }
  /// The service has the list. True if it is another one than before.
  [[nodiscard]] bool updated();
  void request_failed(RequestFailure failure, seconds retry_after);
  /// What the directory has as ours; `known`: the number of ours when it was asked. An older one means that the service
  /// was set back, or lies: it is offered the lists since.
  void directory_showed(ByteView signed_list, ListNumber known);

  // ---- what is known of them
  [[nodiscard]] std::vector<OwnDevice> all();
  void set_name(std::string_view name);
  void heard(DeviceNumber number);
  void told(DeviceNumber number, const wire::DeviceInfo& info);
  /// A device wants our history.
  void history_wanted(DeviceNumber number, Time since);
  /// Asks for theirs; `only` 0: all of them. Each may have what the others lack, and may be switched off.
  void ask_history(Time since, DeviceNumber only);
  /// Something was lost that they may have; perhaps because this device's state was set back before this run began.
  void missed_something();
  /// The same of what comes now alone: this device's state is not in doubt.
  void missed_of_late();
  /// The last page of another device's history came.
  void history_came();

  void connected();
  /// Sends what is due. Before Outbox::pump.
  void upkeep();
  /// Gives history to devices that want it, or for which too much waited; to each at most once in kHistoryEvery. After
  /// the round was committed: it is made of what the store has. True: something is to be sent and committed.
  [[nodiscard]] bool pay_history();
  [[nodiscard]] std::optional<Time> next_deadline() const;

 private:
  [[nodiscard]] OwnDeviceRecord read(DeviceNumber number);
  void write(DeviceNumber number, const OwnDeviceRecord& record);
  [[nodiscard]] Result<void, Error> sign(const session::DeviceList& list, const session::AccountKey& key,
                                         ByteView exchange, const UploadPrekeys& prekeys);
  void forget_next();
  void refuse_next();
  void caught_up();
  /// Lists of ours after the service's, in order, the present one last. Empty: they do not lead on from it.
  [[nodiscard]] std::vector<session::VerifiedDeviceList> since_service();
  /// The next request that changes the service's list; nullopt: there is nothing that it would take.
  [[nodiscard]] std::optional<UpdateDevices> next_update();
  void update();
  void missed_since(Time heard);
  void catch_up();

  Core& core_;
  Peers& peers_;
  Outbox& outbox_;
  Link& link_;
  Requests& requests_;
  std::optional<NextListRecord> next_;
  std::optional<session::VerifiedDeviceList> service_;  ///< that the service has, while it is older than ours
  std::optional<session::VerifiedDeviceList> offered_;  ///< sent to it without being a change
  bool doubted_ = false;   ///< next_ was refused: does the service have the list that it follows?
  bool given_up_ = false;  ///< on this connection: the service was offered what it lacks
  Instant connected_at_{};
  Time heard_before_connecting_{};  ///< LedgerRecord::heard_at then
  Instant not_before_{};
  std::uint32_t failures_ = 0;
};

}  // namespace opaline::endpoint::internal
