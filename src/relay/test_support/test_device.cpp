#include "relay/test_support/test_device.hpp"

#include <algorithm>

namespace opaline::relay::testing {

using wire::SubmitStatus;

void TestDevice::send_some(std::size_t most) {
  if (!ready) return;
  Bytes batch;
  for (std::size_t p = 0; p < peers.size(); ++p) {
    if (peers[p].held) continue;
    for (Outgoing& each : peers[p].outbox) {
      if (each.number != 0) continue;
      if (most == 0 || send_credit_envelopes == 0 || send_credit_bytes < each.ciphertext.size()) break;
      if (batch.size() + wire::kSubmitOverheadBytes + each.ciphertext.size() > wire::kMaxBatchBytes) break;
      --most;
      --send_credit_envelopes;
      send_credit_bytes -= static_cast<std::uint32_t>(each.ciphertext.size());
      each.number = next_submit++;
      in_flight[each.number] = p;
      wire::encode(batch, wire::Submit{.route = static_cast<std::uint16_t>(p),
                                       .envelope_class = each.envelope_class,
                                       .id = each.id,
                                       .ciphertext = each.ciphertext});
    }
  }
  if (!batch.empty()) uplink.push_back(std::move(batch));
}

void TestDevice::acknowledge(std::uint32_t number) {
  while (acknowledged != number) {
    ++acknowledged;
    unacknowledged.pop_front();
  }
  Bytes batch;
  wire::encode(batch, wire::Ack{number});
  uplink.push_back(std::move(batch));
}

void TestDevice::give_credit(std::uint32_t envelopes, std::uint32_t bytes) {
  receive_credit += envelopes;
  Bytes batch;
  wire::encode(batch, wire::Credit{envelopes, bytes});
  uplink.push_back(std::move(batch));
}

void TestDevice::on_one_result(std::uint32_t number, SubmitStatus status) {
  const auto at = in_flight.find(number);
  OPALINE_ASSERT(at != in_flight.end());  // exactly one result for each number
  Peer& peer = peers[at->second];
  const auto route = static_cast<std::uint16_t>(at->second);
  in_flight.erase(at);
  const auto of = std::find_if(peer.outbox.begin(), peer.outbox.end(),
                               [number](const Outgoing& each) { return each.number == number; });
  OPALINE_ASSERT(of != peer.outbox.end());
  on_result(peer, *of, status);
  if (status != SubmitStatus::accepted) peer.held = true;
  switch (status) {
    case SubmitStatus::accepted:
    case SubmitStatus::full:
    case SubmitStatus::gone:
      peer.outbox.erase(of);
      break;
    case SubmitStatus::refresh:
    case SubmitStatus::refused:
    case SubmitStatus::retry:
    case SubmitStatus::held_back:
      of->number = 0;  // again, in its place
      if (of->envelope_class == wire::EnvelopeClass::ephemeral) peer.outbox.erase(of);
      break;
  }
  // CLEAR only when nothing of this route is in flight: else later ones would overtake those still to be refused.
  const auto in_flight_still = [](const Outgoing& e) { return e.number != 0; };
  if (!peer.held || std::any_of(peer.outbox.begin(), peer.outbox.end(), in_flight_still)) return;
  peer.held = false;
  Bytes batch;
  wire::encode(batch, wire::Clear{route});
  uplink.push_back(std::move(batch));
}

void TestDevice::on_batch(ByteView batch) {
  if (deaf && ready) return;
  OPALINE_ASSERT(!batch.empty() && batch.size() <= wire::kMaxBatchBytes);
  for (wire::FrameReader in(batch); !in.done();) {
    const auto frame = in.next();
    OPALINE_ASSERT(frame.has_value());
    if (const auto* hello = std::get_if<wire::Hello>(&*frame)) {
      uplink.push_back(make_auth(*hello));
    } else if (const auto* r = std::get_if<wire::Ready>(&*frame)) {
      ready = true;
      send_credit_envelopes = r->credit_envelopes;
      send_credit_bytes = r->credit_bytes;
    } else if (const auto* result = std::get_if<wire::ResultFrame>(&*frame)) {
      for (std::size_t i = 0; i < result->size(); ++i) {
        const wire::ResultRange range = result->at(i);
        for (std::uint32_t n = 0; n < range.count; ++n) on_one_result(range.first + n, range.status);
      }
    } else if (const auto* credit = std::get_if<wire::Credit>(&*frame)) {
      send_credit_envelopes += credit->envelopes;
      send_credit_bytes += credit->bytes;
    } else if (const auto* push = std::get_if<wire::Push>(&*frame)) {
      OPALINE_ASSERT(receive_credit > 0);
      --receive_credit;
      ++pushes;
      unacknowledged.push_back(push->id);
      const Received one{push->id, Payload::decode(push->ciphertext), push->gap};
      const bool fresh = seen.insert(push->id).second;
      if (fresh) received.push_back(one);
      on_push(one, fresh);
    } else if (std::holds_alternative<wire::Drained>(*frame)) {
      ++drained;
    } else if (const auto* bye = std::get_if<wire::Goodbye>(&*frame)) {
      goodbye = bye->code;
    }
  }
}

}  // namespace opaline::relay::testing
