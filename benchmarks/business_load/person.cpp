#include "business_load/person.hpp"

#include <fmt/format.h>

#include "load/die.hpp"
#include "proto/device.pb.h"
#include "uplink/requests.hpp"
#include "wire/business_part.hpp"

namespace opaline::bench {
namespace {

// What the device lets the server push ahead.
constexpr std::uint32_t kEnvelopes = 16'384;
constexpr std::uint32_t kBytes = 16U << 20;
// What the endpoint believes that it may submit: flush() looks at the server's real credit.
constexpr std::uint32_t kAnyEnvelopes = 1U << 24;
constexpr std::uint32_t kAnyBytes = UINT32_MAX;

constexpr std::uint32_t kCapabilities =
    static_cast<std::uint32_t>(wire::Capability::list) | static_cast<std::uint32_t>(wire::Capability::quick);

/// What a client says beside each text.
SecretBytes part_of(const credentials::OpaqueId& id) {
  const wire::BusinessPart part{.opaque_id = id.bytes(),
                                .locale = as_view("en_US"),
                                .device_agent = as_view("linux"),
                                .capabilities = kCapabilities};
  SecretBytes out;
  if (!wire::encode(out, part)) die("a part that cannot be");
  return out;
}

}  // namespace

Account Person::join(const Service& service, const Account& account, const AccountId& business) {
  Device device(service, account, index_);
  wire::v1::PersonaOpenRequest open;
  open.set_business(to_string(business.view()));
  const Bytes answer = device.call(wire::v1::METHOD_PERSONA_OPEN, open.SerializeAsString());
  wire::v1::PersonaOpenReply opened;
  if (!opened.ParseFromArray(answer.data(), static_cast<int>(answer.size())) ||
      opened.opaque_id().size() != credentials::kOpaqueIdBytes)
    die("PERSONA_OPEN: the answer makes no sense");
  const auto mailbox = MailboxId::from(as_view(opened.mailbox()));
  if (!mailbox || !opened.device_list().empty()) die("PERSONA_OPEN: there is a persona already");
  opaque_id_.emplace(to_array<credentials::kOpaqueIdBytes>(as_view(opened.opaque_id())));
  opaque_id_text_ = opaque_id_->text();
  const endpoint::Enrolment enrolment{opaque_id_->persona(), DeviceNumber{1}, *mailbox};
  const auto made = endpoint::Endpoint::create(store_, random_, clock_, enrolment);
  if (!made) die("a persona's device could not be made");
  wire::v1::PersonaJoinRequest request;
  request.set_business(to_string(business.view()));
  request.set_device_list(to_string(made->device_list));
  request.mutable_prekeys()->set_signed_prekeys(to_string(made->prekeys.signed_set));
  request.mutable_prekeys()->set_one_time_batch(to_string(made->prekeys.one_time_batch));
  (void)device.call(wire::v1::METHOD_PERSONA_JOIN, request.SerializeAsString());
  device.leave();
  auto identity = endpoint::Endpoint::identity(store_);
  if (!identity || !endpoint::Endpoint::confirm_registration(store_)) die("a persona's device could not be confirmed");
  return {enrolment.account, enrolment.device, enrolment.mailbox, std::move(*identity)};
}

Person::Person(const Service& service, const Account& account, std::size_t index, const AccountId& business,
               Engine& engine, PersonEvents& events)
    : index_(index), business_(business), engine_(engine), events_(events), persona_(join(service, account, business)) {
  part_ = part_of(*opaque_id_);
  auto loaded = endpoint::Endpoint::load(store_, random_, clock_, endpoint::Options{.persona = true});
  if (!loaded) die("a persona's device could not be loaded");
  endpoint_ = std::move(*loaded);
  device_ = std::make_unique<Device>(service, persona_, index);
  device_->set_events(this);
  endpoint_->connected({clock_.now(), kAnyEnvelopes, kAnyBytes, persona_.mailbox});
  device_->give_credit(kEnvelopes, kBytes);
  round(ready_);
  engine_.add(*device_);
  flush();
}

Person::~Person() {
  engine_.remove(*device_);
}

void Person::prepare(std::string_view text, std::uint64_t number) {
  is_ahead_ = true;
  write(text, number, prepared_);
  // The relay's answer comes when the message has left; the endpoint is to make the next one now.
  endpoint_->on_result({answered_ + 1, static_cast<std::uint16_t>(made_ - answered_), wire::SubmitStatus::accepted});
  answered_ = made_;
  round(prepared_);
}

void Person::send(std::string_view text, std::uint64_t number) {
  if (prepared_.empty()) {
    if (changed_) round(ready_);
    write(text, number, ready_);
  } else {
    if (prepared_.front().number != number) die("a message leaves that is not the next that was prepared");
    ready_.push_back(std::move(prepared_.front()));
    prepared_.pop_front();
  }
  flush();
}

void Person::catch_up() {
  if (!prepared_.empty()) die("what was prepared has not left");
  is_ahead_ = false;
  for (const Push& push : std::exchange(pushed_, {})) endpoint_->on_push(0, false, push.id, push.ciphertext);
  round(ready_);
  flush();
}

void Person::tick() {
  if (is_ahead_) return;
  endpoint_->tick();
  if (!endpoint_->has_work()) return;
  round(ready_);
  flush();
}

void Person::write(std::string_view text, std::uint64_t number, std::deque<Leaving>& to) {
  const std::uint32_t before = made_;
  if (!endpoint_->send(business_, {.utf8 = text, .part = part_})) die("the endpoint does not take a message");
  round(to);
  if (made_ != before + 1) die(fmt::format("a message became {} envelopes where one was due", made_ - before));
  to.back().number = number;
  numbers_.emplace(made_, number);
  ++unanswered_;
}

void Person::round(std::deque<Leaving>& to) {
  changed_ = false;
  std::vector<endpoint::Request> requests;
  auto actions = endpoint_->commit_round();
  if (!actions) die("a persona's device could not commit");
  for (endpoint::Action& action : *actions) {
    if (auto* request = std::get_if<endpoint::Request>(&action)) {
      requests.push_back(std::move(*request));
    } else if (const auto* event = std::get_if<endpoint::Event>(&action)) {
      const auto* state = std::get_if<endpoint::MessageStateChanged>(event);
      if (state != nullptr && state->state == endpoint::MessageState::failed) die("a message could not be sent");
    } else if (!std::holds_alternative<endpoint::AcknowledgePushes>(action)) {  // the Device does that
      if (std::holds_alternative<endpoint::SubmitEnvelope>(action)) ++made_;
      to.push_back({std::move(action), std::nullopt});
    }
  }
  for (const auto& message : store_.take_arrived()) events_.on_text(*this, as_text(message.body.text), now_ns());
  for (const endpoint::Request& request : requests) {  // rare: when it connects, and before its first message
    const auto encoded = uplink::encode_request(request.body);
    const Bytes answer = device_->call(encoded.method, to_string(encoded.body));
    uplink::give_reply(*endpoint_, request.id, encoded.method, {wire::v1::CALL_STATUS_OK, answer});
  }
  if (!requests.empty()) round(to);
}

void Person::flush() {
  while (!ready_.empty()) {
    const endpoint::Action& action = ready_.front().action;
    if (const auto* submit = std::get_if<endpoint::SubmitEnvelope>(&action)) {
      if (!device_->may_submit(submit->ciphertext.size())) break;
      (void)device_->submit(submit->route, submit->id, submit->ciphertext, submit->envelope_class);
    } else if (const auto* route = std::get_if<endpoint::OpenRoute>(&action)) {
      device_->put(wire::Route{route->route, route->mailbox, route->token});
    } else if (const auto* clear = std::get_if<endpoint::ClearRoute>(&action)) {
      device_->put(wire::Clear{clear->route});
    }
    ready_.pop_front();
  }
  engine_.touch(*device_);
}

void Person::on_push(Device&, Nanos, const EnvelopeId& id, ByteView ciphertext, bool gap) {
  if (gap) die("a gap mark: envelopes were lost");
  established_ = true;
  if (is_ahead_) return pushed_.push_back({id, to_bytes(ciphertext)});
  endpoint_->on_push(0, false, id, ciphertext);
  changed_ = true;
}

void Person::on_result(Device&, Nanos now, std::uint32_t number, wire::SubmitStatus status) {
  if (status != wire::SubmitStatus::accepted)
    die(fmt::format("submission {} was answered with status {}", number, static_cast<int>(status)));
  if (const auto message = numbers_.find(number); message != numbers_.end()) {
    const std::uint64_t which = message->second;
    numbers_.erase(message);
    --unanswered_;
    events_.on_accepted(*this, which, now);
  }
  if (number <= answered_) return;
  endpoint_->on_result({number, 1, status});
  changed_ = true;
}

void Person::on_drained(Device&, Nanos) {
  endpoint_->on_drained(0);
  changed_ = true;
}

void Person::on_read(Device&, Nanos) {
  if (changed_ && !is_ahead_) round(ready_);
  flush();
}

}  // namespace opaline::bench
