#include "relay_load/device.hpp"

#include <fmt/format.h>

#include "crypto/random.hpp"
#include "load/die.hpp"
#include "proto/device.pb.h"

namespace opaline::bench {
namespace {

// Credit that was used is given back when so much of it is gone.
constexpr std::uint32_t kRegiveEnvelopes = 512;
constexpr std::uint32_t kRegiveBytes = 256 * 1024;

void put_big(std::byte* at, std::uint64_t value, std::size_t width) {
  for (std::size_t i = 0; i < width; ++i) at[i] = static_cast<std::byte>(value >> (8 * (width - 1 - i)) & 255);
}

std::uint64_t get_big(const std::byte* at, std::size_t width) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < width; ++i) value = value << 8 | std::to_integer<std::uint64_t>(at[i]);
  return value;
}

}  // namespace

Device::Device(const Service& service, const Account& account, std::size_t index)
    : account_(account), index_(index), stream_(service.context, service.target) {
  open_websocket(stream_, "/v1/device", service.target.name);
  pull_until(ready_);
}

void Device::send_now() {
  out_.finish();
  (void)stream_.push();
}

void Device::pull_until(bool& flag) {
  read_messages(now_ns());
  while (!flag) {
    if (!stream_.pull()) die("the server closed a connection that was being opened");
    read_messages(now_ns());
  }
}

void Device::authenticate(const wire::Hello& hello) {
  wire::Auth auth;
  auth.account = account_.account;
  auth.device = account_.device;
  auth.binding = wire::Binding::tls_exporter;
  const Bytes message = wire::auth_message(auth, hello, stream_.channel_binding());
  crypto::SystemRandom random;
  const auto signature = account_.identity.signer().sign(wire::kAuthLabel, message, random);
  auth.signature = signature.view();
  put(auth);
  send_now();
}

Bytes Device::call(std::uint16_t method, const std::string& request) {
  replied_ = false;
  awaited_call_ = begin_call(method, request);
  send_now();
  pull_until(replied_);
  awaited_call_ = 0;
  return std::move(reply_);
}

std::uint32_t Device::begin_call(std::uint16_t method, const std::string& request) {
  put(wire::Call{next_call_, method, as_view(request)});
  return next_call_++;
}

void Device::open_route(std::uint16_t route, const Account& peer) {
  wire::v1::SendTokensRequest request;
  request.set_account(to_string(peer.account.view()));
  const Bytes answer = call(wire::v1::METHOD_SEND_TOKENS, request.SerializeAsString());
  wire::v1::SendTokensReply reply;
  if (!reply.ParseFromArray(answer.data(), static_cast<int>(answer.size())))
    die("SEND_TOKENS: the answer makes no sense");
  for (const auto& device : reply.devices()) {
    if (device.device() != static_cast<std::uint32_t>(peer.device)) continue;
    const auto mailbox = MailboxId::from(as_view(device.mailbox()));
    if (!mailbox || device.send_token().size() != wire::kSendTokenBytes) die("SEND_TOKENS: a damaged entry");
    put(wire::Route{route, *mailbox, to_array<wire::kSendTokenBytes>(as_view(device.send_token()))});
    send_now();
    return;
  }
  die("SEND_TOKENS: the peer's device is not in the answer");
}

void Device::give_credit(std::uint32_t envelopes, std::uint32_t bytes) {
  put(wire::Credit{envelopes, bytes});
}

void Device::leave() {
  leaving_ = true;
  put(wire::Goodbye{wire::GoodbyeCode::shutting_down, {}});
  send_now();
  while (!closed_ && stream_.pull()) read_messages(now_ns());
}

std::uint32_t Device::submit(std::uint16_t route, const EnvelopeId& id, ByteView ciphertext,
                             wire::EnvelopeClass envelope_class) {
  --credit_envelopes_;
  credit_bytes_ -= ciphertext.size();
  std::byte* at = out_.room(wire::kSubmitOverheadBytes + ciphertext.size());
  at[0] = static_cast<std::byte>(wire::FrameType::submit);
  put_big(at + 1, wire::kSubmitOverheadBytes - wire::kFrameHeaderBytes + ciphertext.size(), 3);
  put_big(at + 4, route, 2);
  at[6] = static_cast<std::byte>(envelope_class);
  std::memcpy(at + 7, id.array().data(), EnvelopeId::kSize);
  std::memcpy(at + wire::kSubmitOverheadBytes, ciphertext.data(), ciphertext.size());
  return next_submit_++;
}

void Device::on_input(Nanos now) {
  read_messages(now);
  if (events_ != nullptr) events_->on_read(*this, now);
}

void Device::read_messages(Nanos now) {
  ServerMessage message;
  while (!closed_ && parse_message(stream_.input.view(), message)) {
    switch (message.opcode) {
      case Opcode::binary:
        on_batch(message.payload, now);
        break;
      case Opcode::close:
        if (!leaving_) die("the server closed a WebSocket");
        closed_ = true;
        break;
      case Opcode::pong:
        break;
      case Opcode::ping:
      case Opcode::continuation:
      case Opcode::text:
        die("the server sent a WebSocket frame that this API does not use");
    }
    stream_.input.consume(message.whole);
  }
}

void Device::on_batch(ByteView batch, Nanos now) {
  while (!batch.empty()) {
    if (batch.size() < wire::kFrameHeaderBytes) die("the server sent a truncated frame");
    const auto size = wire::kFrameHeaderBytes + static_cast<std::size_t>(get_big(batch.data() + 1, 3));
    if (size > batch.size()) die("the server sent a truncated frame");
    on_frame(std::to_integer<std::uint8_t>(batch[0]), batch.first(size), batch.subspan(4, size - 4), now);
    batch = batch.subspan(size);
  }
}

void Device::on_frame(std::uint8_t type, ByteView whole, ByteView body, Nanos now) {
  switch (wire::FrameType(type)) {
    case wire::FrameType::push: {
      constexpr std::size_t kOverhead = wire::kPushOverheadBytes - wire::kFrameHeaderBytes;
      if (body.size() <= kOverhead) die("the server sent a PUSH without a ciphertext");
      ++pushed_;
      ++used_envelopes_;
      used_bytes_ += static_cast<std::uint32_t>(body.size() - kOverhead);
      if (events_ != nullptr) {
        const bool gap = (std::to_integer<unsigned>(body[1]) & 1U) != 0;
        events_->on_push(*this, now, EnvelopeId(body.subspan(2).first<16>()), body.subspan(kOverhead), gap);
      }
      return;
    }
    case wire::FrameType::result:
      for (; body.size() >= wire::kResultRangeBytes; body = body.subspan(wire::kResultRangeBytes)) {
        const auto first = static_cast<std::uint32_t>(get_big(body.data(), 4));
        const auto count = static_cast<std::uint32_t>(get_big(body.data() + 4, 2));
        const auto status = wire::SubmitStatus(std::to_integer<std::uint8_t>(body[6]));
        for (std::uint32_t i = 0; i < count; ++i) {
          if (events_ != nullptr) events_->on_result(*this, now, first + i, status);
        }
      }
      return;
    case wire::FrameType::credit:
      if (body.size() != 8) die("the server sent a malformed CREDIT");
      credit_envelopes_ += get_big(body.data(), 4);
      credit_bytes_ += get_big(body.data() + 4, 4);
      return;
    case wire::FrameType::drained:
      if (events_ != nullptr) events_->on_drained(*this, now);
      return;
    default:
      return on_rare_frame(whole, now);
  }
}

void Device::on_rare_frame(ByteView whole, Nanos now) {
  const auto frame = wire::FrameReader(whole).next();
  if (!frame) die("the server sent a malformed frame");
  if (const auto* hello = std::get_if<wire::Hello>(&*frame)) {
    authenticate(*hello);
  } else if (const auto* ready = std::get_if<wire::Ready>(&*frame)) {
    if (ready->mailbox != account_.mailbox) die("READY names another mailbox");
    credit_envelopes_ = ready->credit_envelopes;
    credit_bytes_ = ready->credit_bytes;
    ready_ = true;
  } else if (const auto* reply = std::get_if<wire::Reply>(&*frame)) {
    if (reply->status != wire::v1::CALL_STATUS_OK) {
      wire::v1::Failure failure;
      const bool told = failure.ParseFromArray(reply->body.data(), static_cast<int>(reply->body.size()));
      die(fmt::format("a call was refused with status {}: {}", reply->status, told ? failure.message() : ""));
    }
    if (reply->id == awaited_call_) {
      reply_ = to_bytes(reply->body);
      replied_ = true;
    } else if (events_ != nullptr) {
      events_->on_reply(*this, now, reply->id, reply->body);
    }
  } else if (const auto* goodbye = std::get_if<wire::Goodbye>(&*frame)) {
    if (!leaving_)
      die(fmt::format("the server said goodbye: code {}, {}", static_cast<int>(goodbye->code), as_text(goodbye->text)));
  } else if (!std::holds_alternative<wire::Notice>(*frame)) {
    die("the server sent a frame that only devices send");
  }
}

void Device::on_round_end() {
  if (acknowledged_ != pushed_) {
    acknowledged_ = pushed_;
    put(wire::Ack{pushed_});
  }
  if (used_envelopes_ >= kRegiveEnvelopes || used_bytes_ >= kRegiveBytes) {
    give_credit(used_envelopes_, used_bytes_);
    used_envelopes_ = used_bytes_ = 0;
  }
  out_.finish();
}

}  // namespace opaline::bench
