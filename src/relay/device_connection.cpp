#include "relay/device_connection.hpp"

#include <algorithm>

#include "relay/internal/edge_context.hpp"

namespace opaline::relay {

using internal::Outbox;
using wire::GoodbyeCode;
using wire::SubmitStatus;

struct DeviceConnection::Handshake {
  ByteArray<wire::kNonceBytes> nonce{};
  std::optional<ByteArray<wire::kBindingBytes>> binding;
};

namespace {
template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
constexpr std::uint16_t kUnavailable = 6;  // CALL_STATUS_UNAVAILABLE of proto/device.proto
constexpr std::size_t kReplyOverheadBytes = wire::kFrameHeaderBytes + 4 + 2;
constexpr std::size_t kNoticeOverheadBytes = wire::kFrameHeaderBytes + 2;
}  // namespace

DeviceConnection::DeviceConnection(internal::EdgeContext& context, ConnectionId id, Link& link,
                                   std::optional<FixedView<wire::kBindingBytes>> binding)
    : context_(context), link_(link), id_(id), handshake_(std::make_unique<Handshake>()) {
  handshake_->nonce = context_.random.bytes<wire::kNonceBytes>();
  if (binding) handshake_->binding = to_array<wire::kBindingBytes>(*binding);
  const std::string& name = context_.config.server_name;
  encode(room(wire::kFrameHeaderBytes + 2 + 2 + wire::kNonceBytes + 1 + 1 + name.size()),
         wire::Hello{.nonce = handshake_->nonce,
                     .binding = binding ? wire::Binding::tls_exporter : wire::Binding::none,
                     .server_name = as_view(name)});
}

DeviceConnection::~DeviceConnection() = default;

// ---- input

void DeviceConnection::on_batch(ByteView batch) {
  if (state_ == State::closed) return;
  ++context_.counters.batches_in;
  context_.counters.bytes_in += batch.size();
  if (batch.empty() || batch.size() > wire::kMaxBatchBytes)
    return close(GoodbyeCode::protocol_error, "a batch has 1 to 65536 bytes");
  now_seconds_ = static_cast<std::uint32_t>(unix_millis(context_.clock.now()) / 1000);
  for (wire::FrameReader in(batch); !in.done() && state_ != State::closed;) {
    const auto frame = in.next();
    if (!frame) return close(GoodbyeCode::protocol_error, "a frame that does not decode");
    on_frame(*frame);
  }
}

void DeviceConnection::on_frame(const wire::Frame& frame) {
  if (std::holds_alternative<wire::Goodbye>(frame)) {
    leave();
    return;
  }
  switch (state_) {
    case State::hello:
      if (const auto* auth = std::get_if<wire::Auth>(&frame)) return on_auth(*auth);
      return close(GoodbyeCode::protocol_error, "AUTH comes first");
    case State::authenticating:
      return close(GoodbyeCode::protocol_error, "nothing may come between AUTH and READY");
    case State::ready:
      return on_ready_frame(frame);
    case State::closed:
      return;
  }
}

void DeviceConnection::on_ready_frame(const wire::Frame& frame) {
  std::visit(Overloaded{
                 [this](const wire::Submit& f) { on_submit(f); },
                 [this](const wire::Ack& f) {
                   if (!context_.relay.acknowledge(id_, f.number))
                     close(GoodbyeCode::protocol_error, "ACK of what was never pushed, or lower than the last");
                 },
                 [this](const wire::Credit& f) { context_.relay.add_credit(id_, f.envelopes, f.bytes); },
                 [this](const wire::Route& f) { on_route(f); },
                 [this](const wire::Clear& f) { on_clear(f); },
                 [this](const wire::Call& f) { on_call(f); },
                 [this](const auto&) {
                   close(GoodbyeCode::protocol_error, "a second AUTH, or a frame that only servers send");
                 },
             },
             frame);
}

void DeviceConnection::on_auth(const wire::Auth& auth) {
  if (auth.version != wire::kProtocolVersion)
    return close(GoodbyeCode::unsupported_version, "this server speaks version 1");
  const bool bound = auth.binding == wire::Binding::tls_exporter;
  if (bound && !handshake_->binding) return close(GoodbyeCode::auth_failed, "there is no channel binding here");
  const wire::Hello hello{.nonce = handshake_->nonce, .server_name = as_view(context_.config.server_name)};
  AuthRequest request{.account = auth.account,
                      .device = auth.device,
                      .binding = auth.binding,
                      .message = wire::auth_message(auth, hello, bound ? ByteView(*handshake_->binding) : ByteView()),
                      .signature = to_bytes(auth.signature)};
  state_ = State::authenticating;
  handshake_.reset();
  context_.authenticator.authenticate(id_, std::move(request));
}

void DeviceConnection::on_auth_result(const std::optional<Authenticated>& device) {
  if (state_ != State::authenticating) return;
  if (!device) return close(GoodbyeCode::auth_failed, "the device is unknown or the signature wrong");
  if (context_.revocations.is_gone(device->mailbox)) return close(GoodbyeCode::removed, "the device was removed");
  device_ = *device;
  state_ = State::ready;
  ++context_.counters.authenticated;
  ++context_.counters.ready;
  encode(room(wire::kFrameHeaderBytes + 8 + 4 + 4 + MailboxId::kSize),
         wire::Ready{.server_time = context_.clock.now(),
                     .credit_envelopes = credit_envelopes_,
                     .credit_bytes = credit_bytes_,
                     .mailbox = device_.mailbox});
  context_.relay.attach(id_, 0, device_.mailbox);
}

// ---- sending

DeviceConnection::Route* DeviceConnection::route(std::uint16_t number) {
  if (number >= wire::kMaxRoutes) {
    close(GoodbyeCode::too_many, "the route number is too high");
    return nullptr;
  }
  if (number >= routes_.size()) routes_.resize(std::size_t{number} + 1);
  return &routes_[number];
}

void DeviceConnection::on_route(const wire::Route& f) {
  Route* const r = route(f.route);
  if (r == nullptr) return;
  // The new route may be to a mailbox of which nothing was refused; that of the same one stays held back until CLEAR.
  if (r->verdict == Route::Verdict::unopened || r->mailbox != f.mailbox) r->held = false;
  r->mailbox = f.mailbox;
  Reader token{ByteView(f.token)};
  (void)token.u8();
  r->expires_seconds = token.u32();
  r->revocations_version = 0;
  r->verdict = Route::Verdict::refused;
  for (const wire::SendTokenKey& key : context_.token_keys) {
    const auto check = wire::check_send_token(key, f.token, device_.account, f.mailbox, context_.clock.now());
    if (check == wire::SendTokenCheck::forged) continue;
    r->verdict = check == wire::SendTokenCheck::valid ? Route::Verdict::open : Route::Verdict::refresh;
    break;
  }
}

SubmitStatus DeviceConnection::check(Route& r) {
  using Verdict = Route::Verdict;
  if (r.verdict == Verdict::open || r.verdict == Verdict::refresh) {
    if (r.revocations_version != context_.revocations.version()) {
      r.revocations_version = context_.revocations.version();
      switch (context_.revocations.check(device_.account, r.mailbox, Time(seconds(r.expires_seconds)))) {
        case Revocations::Verdict::open:
          break;
        case Revocations::Verdict::gone:
          r.verdict = Verdict::gone;
          break;
        case Revocations::Verdict::refresh:
          r.verdict = Verdict::refresh;
          break;
      }
    }
    if (r.verdict == Verdict::open && now_seconds_ >= r.expires_seconds) r.verdict = Verdict::refresh;
  }
  switch (r.verdict) {
    case Verdict::open:
      return SubmitStatus::accepted;
    case Verdict::gone:
      return SubmitStatus::gone;
    case Verdict::refresh:
      ++context_.counters.refresh;
      return SubmitStatus::refresh;
    case Verdict::unopened:
    case Verdict::refused:
      ++context_.counters.refused;
      return SubmitStatus::refused;
  }
  return SubmitStatus::refused;
}

void DeviceConnection::on_submit(const wire::Submit& f) {
  const auto size = static_cast<std::uint32_t>(f.ciphertext.size());
  if (credit_envelopes_ == 0 || credit_bytes_ < size)
    return close(GoodbyeCode::credit_exceeded, "more was submitted than there is credit");
  Route* const r = route(f.route);
  if (r == nullptr) return;
  --credit_envelopes_;
  credit_bytes_ -= size;
  const std::uint32_t number = next_submit_++;
  if (r->held) return result(number, SubmitStatus::held_back, size);
  const SubmitStatus verdict = check(*r);
  if (verdict != SubmitStatus::accepted) {
    r->held = true;
    return result(number, verdict, size);
  }
  context_.relay.submit({.sender = id_,
                         .number = number,
                         .sender_account = device_.account,
                         .mailbox = r->mailbox,
                         .envelope_class = f.envelope_class,
                         .id = f.id,
                         .ciphertext = f.ciphertext});
}

void DeviceConnection::on_clear(const wire::Clear& f) {
  Route* const r = route(f.route);
  if (r == nullptr) return;
  r->held = false;
  if (r->verdict != Route::Verdict::unopened) context_.relay.clear(id_, r->mailbox);
}

// ---- calls

void DeviceConnection::on_call(const wire::Call& f) {
  if (open_calls_.size() >= wire::kMaxOpenCalls) return close(GoodbyeCode::too_many, "too many calls are open");
  if (std::find(open_calls_.begin(), open_calls_.end(), f.id) != open_calls_.end()) {
    return close(GoodbyeCode::protocol_error, "the number of an open call was used again");
  }
  open_calls_.push_back(f.id);
  ++context_.counters.calls;
  context_.calls.call(id_, device_.account, device_.device, f.id, f.method, f.body);
}

void DeviceConnection::on_reply(std::uint32_t call, std::uint16_t status, ByteView body) {
  if (state_ != State::ready || std::erase(open_calls_, call) == 0) return;
  if (open_calls_.empty()) open_calls_ = {};
  if (body.size() + kReplyOverheadBytes > wire::kMaxBatchBytes) {
    ++context_.counters.too_large;
    status = kUnavailable;
    body = {};
  }
  encode(room(kReplyOverheadBytes + body.size()), wire::Reply{.id = call, .status = status, .body = body});
}

void DeviceConnection::notice(std::uint16_t kind, ByteView body) {
  if (state_ != State::ready) return;
  if (body.size() + kNoticeOverheadBytes > wire::kMaxBatchBytes) {
    ++context_.counters.too_large;
    return;
  }
  ++context_.counters.notices;
  encode(room(kNoticeOverheadBytes + body.size()), wire::Notice{.kind = kind, .body = body});
}

// ---- output

void DeviceConnection::push(std::uint8_t subscription, bool gap, const EnvelopeId& id, ByteView ciphertext) {
  encode(room(wire::kPushOverheadBytes + ciphertext.size()),
         wire::Push{.subscription = subscription, .gap = gap, .id = id, .ciphertext = ciphertext});
}

void DeviceConnection::result(std::uint32_t number, SubmitStatus status, std::uint32_t ciphertext_bytes) {
  auto& ranges = outbox().results;
  ++owed_envelopes_;
  owed_bytes_ += ciphertext_bytes;
  if (!ranges.empty()) {
    wire::ResultRange& last = ranges.back();
    if (last.status == status && last.first + last.count == number && last.count < UINT16_MAX) {
      ++last.count;
      return;
    }
  }
  ranges.push_back({.first = number, .count = 1, .status = status});
}

void DeviceConnection::drained(std::uint8_t subscription) {
  encode(room(wire::kFrameHeaderBytes + 1), wire::Drained{subscription});
}

Outbox& DeviceConnection::outbox() {
  if (!outbox_) {
    outbox_ = context_.take_outbox();
    context_.with_output.push_back(id_);
  }
  return *outbox_;
}

Bytes& DeviceConnection::room(std::size_t size) {
  Outbox& out = outbox();
  if (out.batch.size() + size > wire::kMaxBatchBytes) send_batch();
  return out.batch;
}

void DeviceConnection::send_batch() {
  if (outbox_->batch.empty()) return;
  ++context_.counters.batches_out;
  context_.counters.bytes_out += outbox_->batch.size();
  link_.send(outbox_->batch);
  outbox_->batch.clear();
  // Closing here could re-enter the relay: the end of the round does it.
  if (link_.queued_bytes() > context_.config.edge.max_queued_bytes) too_slow_ = true;
}

/// Results of one receiver come in order, those of several interleave: sorted, most of them join to few ranges.
void DeviceConnection::write_results() {
  if (!outbox_ || outbox_->results.empty()) return;
  auto& ranges = outbox_->results;
  // Numbers go around after 2^32: order by the distance from the next one, which is at most the credit.
  const auto age = [next = next_submit_](const wire::ResultRange& r) { return next - r.first; };
  const auto older = [age](const wire::ResultRange& a, const wire::ResultRange& b) { return age(a) > age(b); };
  if (!std::is_sorted(ranges.begin(), ranges.end(), older)) std::sort(ranges.begin(), ranges.end(), older);
  std::size_t kept = 0;
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    wire::ResultRange& last = ranges[kept];
    const wire::ResultRange& each = ranges[i];
    const bool joins = last.status == each.status && last.first + last.count == each.first &&
                       std::size_t{last.count} + each.count <= UINT16_MAX;
    if (joins) {
      last.count = static_cast<std::uint16_t>(last.count + each.count);
    } else {
      ranges[++kept] = each;
    }
  }
  ranges.resize(kept + 1);
  constexpr std::size_t kPerFrame = 1024;
  for (std::span<const wire::ResultRange> rest(ranges); !rest.empty();) {
    const auto part = rest.first(std::min(rest.size(), kPerFrame));
    rest = rest.subspan(part.size());
    wire::encode_results(room(wire::kFrameHeaderBytes + part.size() * wire::kResultRangeBytes), part);
  }
  ranges.clear();
}

/// In portions of a quarter: a device that waits for all its results has three quarters of its credit left.
void DeviceConnection::write_credit() {
  if (owed_envelopes_ < wire::kInitialCreditEnvelopes / 4 && owed_bytes_ < wire::kInitialCreditBytes / 4) return;
  encode(room(wire::kFrameHeaderBytes + 4 + 4), wire::Credit{.envelopes = owed_envelopes_, .bytes = owed_bytes_});
  credit_envelopes_ += owed_envelopes_;
  credit_bytes_ += owed_bytes_;
  owed_envelopes_ = owed_bytes_ = 0;
}

void DeviceConnection::flush() {
  if (state_ != State::closed) {
    write_results();
    write_credit();
  }
  if (outbox_) {
    send_batch();
    if (too_slow_ && state_ != State::closed) {
      close(GoodbyeCode::too_slow, "too much waits to be read");
      send_batch();
    }
    context_.give_back(std::move(outbox_));
  }
}

// ---- the end

void DeviceConnection::leave() {
  if (state_ == State::closed) return;
  if (state_ == State::ready) --context_.counters.ready;
  const bool attached = state_ == State::ready;
  state_ = State::closed;
  handshake_.reset();
  if (attached) context_.relay.detach(id_);
  (void)outbox();  // so that the end of the round comes by
}

void DeviceConnection::close(GoodbyeCode code, std::string_view why) {
  if (state_ == State::closed) return;
  write_results();
  leave();
  closed_with_ = code;
  encode(room(wire::kFrameHeaderBytes + 2 + why.size()), wire::Goodbye{.code = code, .text = as_view(why)});
}

void DeviceConnection::lost() {
  leave();
}

void DeviceConnection::close_link() {
  link_.close(closed_with_);
}

}  // namespace opaline::relay
