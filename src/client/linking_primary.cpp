// The primary device's side of linking, and what both need.
#include <unistd.h>

#include "client/linking.hpp"
#include "client/registration.hpp"
#include "endpoint/memory_endpoint_store.hpp"
#include "proto/device.pb.h"
#include "uplink/connection.hpp"

namespace opaline::client {
namespace {

constexpr std::size_t kRowsAtOnce = 256;

Result<void, Failure> copy_rows(endpoint::EndpointStore& from, endpoint::EndpointStore& to) {
  for (auto table = endpoint::kFirstTable; table <= endpoint::kLastTable; ++table) {
    Bytes after;
    for (;;) {
      auto rows = from.scan(endpoint::Table(table), {}, after, kRowsAtOnce);
      if (!rows) return fail(Failure{ClientError::store_failed, "the local store could not be read"});
      if (rows->empty()) break;
      after = rows->back().key;
      endpoint::Batch batch;
      for (auto& row : *rows) batch.rows.push_back({endpoint::Table(table), std::move(row.key), std::move(row.value)});
      (void)to.commit(std::move(batch));  // in memory
    }
  }
  return {};
}

/// Connects once and says what came of it.
class Knock final : public uplink::ConnectionOwner {
 public:
  explicit Knock(const net::Url& service) : service_(service) {}
  void on_ready(const wire::Ready&) override { known = true; }
  void on_frame(const wire::Frame&) override {}
  void on_batch_end() override {}
  void on_ended(const uplink::Ended& ended) override { why = failure_of(ended, service_); }
  bool known = false;
  std::optional<Failure> why;

 private:
  const net::Url& service_;
};

}  // namespace

Result<bool, Failure> known_to_service(
    const NewDeviceLinking::Parts& parts,
    const std::function<Result<void, endpoint::Error>(endpoint::EndpointStore&)>& confirm) {
  if (const auto identity = endpoint::Endpoint::identity(parts.rows); !identity) {
    if (identity.error() == endpoint::Error::not_registered) return false;
    return fail(failure_of(identity.error()));
  }
  endpoint::MemoryEndpointStore copy;
  OPALINE_CHECK(copy_rows(parts.rows, copy));
  if (const auto done = confirm(copy); !done) return fail(failure_of(done.error()));
  const auto device = endpoint::Endpoint::load(copy, parts.random, parts.clock);
  if (!device) return fail(failure_of(device.error()));
  Knock knock(parts.service.url());
  uplink::Connection connection(parts.loop, parts.random, parts.service.url(), parts.service.tls(), **device, knock);
  if (!parts.loop.run_until([&] { return knock.known || knock.why; }))
    return fail(Failure{ClientError::timed_out, "stopped before the server answered"});
  if (knock.known) {
    connection.close();
    (void)parts.loop.run_until([&] { return knock.why.has_value(); });
    return true;
  }
  if (knock.why->error == ClientError::removed) return false;
  return fail(*knock.why);
}

Result<PrimaryLinking::News, Failure> PrimaryLinking::poll() {
  // Until all is sent: while a person is being asked the other side must not lack anything.
  for (bool first = news_.empty(); !link_.over() && (first || !to_send_.empty()); first = false) {
    std::vector<Bytes> messages = std::exchange(first_, {});
    bool ended = false;
    if (messages.empty()) {
      auto turn = exchange_.turn(std::exchange(to_send_, {}));
      if (!turn) {
        if (turn.error().call_status != wire::v1::CALL_STATUS_NOT_FOUND) return fail(turn.error());
        return fail(Failure{ClientError::expired, "the ten minutes for linking are over; start again on both devices"});
      }
      messages = std::move(turn->messages);
      ended = turn->ended;
    }
    for (const Bytes& message : messages) OPALINE_CHECK(take(link_.on_message(message, random_)));
    if (ended && !link_.over()) {
      refuse(session::LinkRefusal::person);
      return fail(Failure{ClientError::link_failed, "the new device has ended it; nothing was added"});
    }
  }
  if (news_.empty()) return News{};
  News out = std::move(news_.front());
  news_.pop_front();
  return out;
}

Result<void, Failure> PrimaryLinking::take(Result<session::LinkStep, session::Error> step) {
  if (!step) {
    link_.end();
    (void)exchange_.turn({}, true);
    return fail(link_failure(step.error()));
  }
  for (Bytes& message : step->send) to_send_.push_back(std::move(message));
  if (const auto* digits = std::get_if<session::LinkDigits>(&step->event)) news_.emplace_back(*digits);
  if (auto* proposal = std::get_if<session::LinkProposal>(&step->event)) news_.emplace_back(std::move(*proposal));
  return {};
}

Result<void, Failure> PrimaryLinking::confirm() {
  return take(link_.confirm());
}

void PrimaryLinking::approve(const session::VerifiedDeviceList& list) {
  last(link_.approve(list));
}

void PrimaryLinking::refuse(session::LinkRefusal reason) {
  auto step = link_.refuse(reason);
  if (!step) link_.end();
  last(std::move(step));
}

/// Whether it arrives or not: the new device finds out at the service.
void PrimaryLinking::last(Result<session::LinkStep, session::Error> step) {
  if (step)
    for (Bytes& message : step->send) to_send_.push_back(std::move(message));
  for (int i = 0; i < 3; ++i)
    if (exchange_.turn(std::exchange(to_send_, {}), true)) break;
}

std::string default_device_name() {
  char host[256] = {};
  if (::gethostname(host, sizeof host - 1) != 0) return "opaline";
  std::string name(host);
  name.resize(std::min(name.find('.'), std::min(name.size(), session::kMaxDeviceNameBytes)));
  return session::is_device_name(name) ? name : "opaline";
}

}  // namespace opaline::client
