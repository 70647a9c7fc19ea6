#include "endpoint/internal/link.hpp"

namespace opaline::endpoint::internal {

void Link::connected(const wire::Ready& ready) {
  disconnected();
  connected_ = true;
  credit_envelopes_ = ready.credit_envelopes;
  credit_bytes_ = ready.credit_bytes;
}

void Link::disconnected() {
  connected_ = false;
  credit_envelopes_ = credit_bytes_ = 0;
  first_number_ = 1;
  submits_.clear();
  unanswered_ = 0;
  routes_.clear();
  next_victim_ = 0;
  pushes_ = unacknowledged_ = unacknowledged_bytes_ = 0;
  core_.frames.clear();  // numbers and routes of a connection that is over
}

void Link::add_credit(std::uint32_t envelopes, std::uint32_t bytes) {
  credit_envelopes_ += envelopes;
  credit_bytes_ += bytes;
}

bool Link::ready(PeerDevice& device, std::size_t ciphertext_bytes) {
  return connected_ && credit_envelopes_ > 0 && credit_bytes_ >= ciphertext_bytes && take_route(device);
}

bool Link::take_route(PeerDevice& device) {
  if (device.route) return true;
  device.route_token = {};
  if (routes_.size() < wire::kMaxRoutes) {
    device.route = static_cast<std::uint16_t>(routes_.size());
    routes_.push_back(&device);
    return true;
  }
  // Takes over the route of a device that nothing is on its way to.
  for (std::size_t tries = 0; tries < routes_.size(); ++tries) {
    next_victim_ = (next_victim_ + 1) % routes_.size();
    PeerDevice& owner = *routes_[next_victim_];
    if (owner.in_flight > 0 || owner.refused) continue;
    owner.route.reset();
    routes_[next_victim_] = &device;
    device.route = static_cast<std::uint16_t>(next_victim_);
    return true;
  }
  return false;
}

void Link::submit(PeerDevice& device, const MailboxId& mailbox, wire::EnvelopeClass envelope_class,
                  const EnvelopeId& id, Bytes ciphertext, std::uint64_t sequence) {
  OPALINE_ASSERT(connected_ && credit_envelopes_ > 0 && credit_bytes_ >= ciphertext.size() && device.route);
  const std::uint16_t route = *device.route;
  if (device.route_token != device.record.token) {
    device.route_token = device.record.token;
    core_.frames.emplace_back(OpenRoute{route, mailbox, device.record.token});
  }
  --credit_envelopes_;
  credit_bytes_ -= ciphertext.size();
  ++device.in_flight;
  ++unanswered_;
  ++core_.counters.submitted;
  submits_.push_back({device.address, sequence, id, false});
  core_.frames.emplace_back(SubmitEnvelope{route, envelope_class, id, std::move(ciphertext)});
}

void Link::clear(PeerDevice& device) {
  device.refused = false;
  if (device.route) core_.frames.emplace_back(ClearRoute{*device.route});
}

std::optional<Link::InFlight> Link::answered(std::uint32_t number) {
  if (number < first_number_ || number >= end_number()) return std::nullopt;
  InFlight& submit = submits_[number - first_number_];
  if (submit.answered) return std::nullopt;
  submit.answered = true;
  --unanswered_;
  const InFlight out = submit;
  while (!submits_.empty() && submits_.front().answered) {
    submits_.pop_front();
    ++first_number_;
  }
  return out;
}

void Link::pushed(std::size_t ciphertext_bytes) {
  ++pushes_;
  ++unacknowledged_;
  unacknowledged_bytes_ += static_cast<std::uint32_t>(ciphertext_bytes);
}

void Link::acknowledge() {
  if (unacknowledged_ == 0) return;
  core_.frames.insert(core_.frames.begin(), AcknowledgePushes{pushes_, unacknowledged_, unacknowledged_bytes_});
  unacknowledged_ = unacknowledged_bytes_ = 0;
}

}  // namespace opaline::endpoint::internal
