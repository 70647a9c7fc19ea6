#include "tests/sim/node.hpp"

#include <gtest/gtest.h>

#include "endpoint/endpoint.hpp"

namespace opaline::sim {
namespace {

std::vector<std::string> table_names() {
  std::vector<std::string> out;
  for (const std::string_view table : identity::kTables) out.emplace_back(table);
  return out;
}

const identity::SourceAddress kSource{{std::byte{10}}};

template <class Reply>
Reply registration(identity::CallDispatcher& dispatcher, std::string_view step,
                   const google::protobuf::MessageLite& request) {
  const auto answer = dispatcher.registration(kSource, step, as_view(request.SerializeAsString()));
  EXPECT_EQ(answer.http_status, 200) << step;
  Reply reply;
  EXPECT_TRUE(reply.ParseFromArray(answer.body.data(), static_cast<int>(answer.body.size())));
  return reply;
}

}  // namespace

Node::Node(RandomSource& random, const Clock& clock)
    : mailbox_disk(random), row_disk(random), vault(random), random_(random), clock_(clock) {}
Node::~Node() = default;

void Node::start() {
  row_store_ = std::make_unique<store::MemoryRowStore>(row_disk, table_names());
  auto rows = store::SealedRows::open(*row_store_, vault, random_, identity::tables::kAccounts);
  ASSERT_TRUE(rows);
  rows_ = std::make_unique<store::SealedRows>(std::move(*rows));
  mailboxes_ = std::make_unique<store::MemoryMailboxStore>(mailbox_disk, vault);
  const auto epoch = mailboxes_->acquire_all();
  ASSERT_TRUE(epoch);
  auto service =
      identity::Service::open({}, {*rows_, vault, *this, *this, lookups_, notices_, *crypto_, clock_, random_, log_});
  ASSERT_TRUE(service);
  service_ = std::move(*service);
  dispatcher_ = std::make_unique<identity::CallDispatcher>(*service_);
  relay::NodeConfig config;
  config.server_name = "sim.example";
  std::vector<wire::SendTokenKey> keys;
  const auto key = vault.named_key("send-token");
  ASSERT_TRUE(key);
  keys.emplace_back(key->reveal());
  relay_ = std::make_unique<relay::RelayNode>(
      std::move(config), relay::RelayNode::Ports{*mailboxes_, *epoch, *this, *this, clock_, random_}, std::move(keys));
  while (!jobs_.empty() && step(0)) {
  }
}

void Node::crash() {
  relay_.reset();
  dispatcher_.reset();
  service_.reset();
  mailboxes_.reset();
  rows_.reset();
  row_store_.reset();
  jobs_.clear();
  mailbox_disk.crash();
  row_disk.crash();
}

void Node::enrol(endpoint::EndpointStore& rows, const std::string& handle) {
  using namespace wire::v1;
  StartRequest start;
  start.set_handle(handle);
  const auto started = registration<StartReply>(*dispatcher_, "start", start);
  CheckRequest check;
  check.set_verification(started.verification());
  check.set_code(last_code_);
  const auto checked = registration<CheckReply>(*dispatcher_, "check", check);
  complete(rows,
           {*AccountId::from(as_view(checked.account())), DeviceNumber(checked.device()),
            *MailboxId::from(as_view(checked.mailbox()))},
           checked.ticket(), handle);
}

AccountId Node::found_business(const std::string& name) {
  identity::BusinessDetails details;
  details.name = name;
  const auto founded = service_->create_business(details, {});
  EXPECT_TRUE(founded);
  return founded.value_or(AccountId());
}

void Node::enrol_gateway(endpoint::EndpointStore& rows, const AccountId& business) {
  const auto enrolment = service_->enrol_business(business);
  ASSERT_TRUE(enrolment);
  complete(rows, {business, DeviceNumber{1}, enrolment->mailbox}, to_string(enrolment->ticket), "");
}

void Node::complete(endpoint::EndpointStore& rows, const endpoint::Enrolment& enrolment, std::string ticket,
                    const std::string& handle) {
  using namespace wire::v1;
  const auto made = endpoint::Endpoint::create(rows, random_, clock_, enrolment);
  ASSERT_TRUE(made);
  CompleteRequest complete;
  complete.set_ticket(std::move(ticket));
  complete.set_device_list(to_string(made->device_list));
  complete.mutable_prekeys()->set_signed_prekeys(to_string(made->prekeys.signed_set));
  complete.mutable_prekeys()->set_one_time_batch(to_string(made->prekeys.one_time_batch));
  EXPECT_EQ(registration<CompleteReply>(*dispatcher_, "complete", complete).handle(), handle);
  ASSERT_TRUE(endpoint::Endpoint::confirm_registration(rows));
}

std::optional<Node::Exchange> Node::exchange(const session::DeviceAddress& primary) {
  using namespace wire::v1;
  identity::SourceAddress source = kSource;
  random_.fill(std::span(source.ip).first<8>());  // somewhere else each time: quotas are not what is tested here
  const auto opened = service_->link_open(source, LinkOpenRequest());
  if (!opened) return std::nullopt;
  LinkJoinRequest join;
  join.set_exchange(opened->exchange());
  const auto joined = service_->link_join({primary.account, primary.device, kSource}, join);
  if (!joined) return std::nullopt;
  return Exchange{to_bytes(as_view(joined->exchange())), *MailboxId::from(as_view(joined->mailbox()))};
}

bool Node::open(const std::shared_ptr<Pipe>& pipe) {
  random_.fill(pipe->binding);
  pipe->id = relay_->open(*pipe, FixedView<wire::kBindingBytes>(pipe->binding));
  relay_->end_round();
  return pipe->id.has_value();
}

void Node::receive(Pipe& pipe, const Bytes& batch) {
  if (pipe.id && !pipe.closed_by_node) relay_->on_batch(*pipe.id, batch);
  relay_->end_round();
}

void Node::closed(Pipe& pipe) {
  if (relay_ && pipe.id && !pipe.closed_by_node) {
    relay_->on_closed(*pipe.id);
    relay_->end_round();
  }
  pipe.id.reset();
}

bool Node::step(std::uint64_t which) {
  if (!jobs_.empty() && (which % 2 == 0 || !mailboxes_)) {
    auto job = std::move(jobs_.front());
    jobs_.pop_front();
    job();
  } else if (!mailboxes_ || !mailboxes_->step()) {
    if (jobs_.empty()) return false;
    return step(0);
  }
  if (relay_) relay_->end_round();
  return true;
}

void Node::tick() {
  relay_->tick();
  service_->tick();
}

void Node::expire(std::chrono::days retention) {
  const auto today = number(day_of(clock_.now()));
  const auto days = static_cast<std::uint32_t>(retention.count());
  if (today > days) mailboxes_->expire_through(Day(today - days), [](bool) {});
}

std::size_t Node::envelopes_on_disk() const {
  std::size_t total = 0;
  for (const auto& [id, mailbox] : mailbox_disk.copy().mailboxes) total += mailbox.size();
  return total;
}

void Node::authenticate(relay::ConnectionId connection, relay::AuthRequest request) {
  jobs_.emplace_back([this, connection, request = std::move(request)] {
    const auto device = service_->authenticate(
        {request.account, request.device, request.binding, request.message, request.signature, kSource});
    std::optional<relay::Authenticated> result;
    if (device) result = relay::Authenticated{request.account, request.device, device->mailbox};
    relay_->on_auth_result(connection, result);
  });
}

void Node::call(relay::ConnectionId connection, const AccountId& account, DeviceNumber device, std::uint32_t call,
                std::uint16_t method, ByteView body) {
  jobs_.emplace_back([this, connection, account, device, call, method, body = to_bytes(body)] {
    const auto reply = dispatcher_->call({account, device, kSource}, method, body);
    relay_->on_reply(connection, call, static_cast<std::uint16_t>(reply.status), reply.body);
  });
}

void Node::order(std::move_only_function<void(relay::RelayNode&)> what) {
  jobs_.emplace_back([this, what = std::move(what)]() mutable { what(*relay_); });
}
void Node::destroy(const MailboxId& mailbox, Time at) {
  order([=](relay::RelayNode& node) { node.destroy(mailbox, at); });
}
void Node::revoke_mailbox(const MailboxId& mailbox, Time issued_until) {
  order([=](relay::RelayNode& node) { node.revoke_mailbox(mailbox, issued_until); });
}
void Node::revoke_sender(const AccountId& sender, Time issued_until) {
  order([=](relay::RelayNode& node) { node.revoke_sender(sender, issued_until); });
}
void Node::disconnect(const AccountId& account, DeviceNumber device, wire::GoodbyeCode reason) {
  order([=](relay::RelayNode& node) { node.disconnect(account, device, reason); });
}
void Node::notify(const AccountId& account, DeviceNumber device, wire::v1::NoticeKind kind, std::string body) {
  order([=, body = std::move(body)](relay::RelayNode& node) {
    (void)node.notify(account, device, static_cast<std::uint16_t>(kind), as_view(body));
  });
}

identity::CodeQueued Node::send(const identity::Handle&, const identity::Code& code, seconds) {
  last_code_ = to_string(code.reveal());
  return identity::CodeQueued::queued;
}

}  // namespace opaline::sim
