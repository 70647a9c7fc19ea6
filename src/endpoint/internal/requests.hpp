#pragma once
// Requests that wait for an answer on this connection.
#include "endpoint/internal/core.hpp"

namespace opaline::endpoint::internal {

class Requests {
 public:
  struct Open {
    enum class Kind : std::uint8_t { devices, upload, status, update } kind{};
    AccountId account;                  ///< of `devices`
    std::vector<DeviceNumber> bundles;  ///< that were asked for; all devices' if `all`
    bool all = false;
    bool list_alone = false;          ///< neither bundle nor token was missing
    ListNumber known{};               ///< of `devices`: the list that was pinned
    std::uint64_t parked_before = 0;  ///< what was parked before it was sent has lower numbers
    session::PrekeySetId set{};       ///< of `upload`
  };

  explicit Requests(Core& core) : core_(core) {}

  [[nodiscard]] bool full() const { return open_.size() >= kMaxOpenRequests; }
  [[nodiscard]] std::size_t open() const { return open_.size(); }
  [[nodiscard]] bool has(Open::Kind kind) const {
    for (const auto& [id, open] : open_)
      if (open.kind == kind) return true;
    return false;
  }
  template <class Body>
  RequestId send(Open what, Body body) {
    const RequestId id{++last_};
    what.parked_before = core_.ledger.next_parked;
    open_.emplace(id, std::move(what));
    core_.requests.push_back({id, std::move(body)});
    return id;
  }
  /// Takes the request that is answered; nullopt for one of an earlier connection or none of ours.
  [[nodiscard]] std::optional<Open> answered(RequestId id) {
    auto node = open_.extract(id);
    if (node.empty()) return std::nullopt;
    return std::move(node.mapped());
  }
  void disconnected() {
    open_.clear();
    core_.requests.clear();
  }

 private:
  Core& core_;
  std::map<RequestId, Open> open_;
  std::uint32_t last_ = 0;  ///< goes on over connections, so that a late answer finds nothing
};

}  // namespace opaline::endpoint::internal
