#pragma once
// A simulated business: its gateway, a real Endpoint on a real gateway::Store on a disk, in the steps of
// src/gateway/business.cpp; and the software behind it, which takes what waits and says something itself.
#include "gateway/store.hpp"
#include "store/drivers/memory_key_vault.hpp"
#include "store/drivers/memory_row_store.hpp"
#include "tests/sim/world.hpp"

namespace opaline::sim {

class Business final : public Line {
 public:
  /// Makes it and enrols its gateway; the world outlives it.
  Business(World& world, const std::string& name);

  void load() override;
  /// Its machine loses power.
  void crash() override;
  void fail_commit() override;
  void mend() override { disk_.faults = {}; }

  // ---- the software
  struct Heard {
    std::string opaque_id;
    gateway::Received::Kind kind{};
    msp::Uuid id;
    std::string text;
  };
  struct Said {
    msp::Uuid id;
    credentials::OpaqueId to;
    std::string text;
    std::optional<gateway::Outcome> told;  ///< what POST /v1/message answered in the end
    std::uint64_t place = 0;               ///< in the order in which the gateway took them; 0: it has not
  };
  /// Webhooks for some of what waits; not each is answered, so that some come again.
  void take(SeededRandom& dice);
  /// A message of its own; retried by try_again() until it is answered. Its index in `said`.
  std::size_t say(const credentials::OpaqueId& to, const std::string& text);
  /// Asks for all that is not answered, with the same ids.
  void try_again();
  [[nodiscard]] bool settled() const;

  AccountId account;
  std::vector<Heard> heard;
  std::vector<Said> said;
  std::size_t troubles = 0;  ///< of its machine

 private:
  void open_store();
  void on_notice(const wire::Notice& notice) override;
  void on_committed() override;
  void on_event(const endpoint::Event& event) override;
  void post(Said& message);

  World& world_;
  store::MemoryDisk disk_;
  store::MemoryKeyVault vault_;
  std::unique_ptr<store::MemoryRowStore> raw_;
  std::unique_ptr<store::SealedRows> rows_;
  std::unique_ptr<store::JournaledRows> journaled_;
  std::unique_ptr<gateway::Store> store_;
  std::vector<AccountId> closed_;  // notices of this round
  std::uint64_t places_ = 0;
};

}  // namespace opaline::sim
