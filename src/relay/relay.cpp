#include "relay/relay.hpp"

#include "relay/internal/shard.hpp"

namespace opaline::relay {

Relay::Relay(const Limits& limits, store::MailboxStore& store, store::OwnerEpoch epoch, Outputs& outputs,
             const Clock& clock, RandomSource& random)
    : shard_(std::make_shared<Shard>(limits, store, epoch, outputs, clock, random)) {}
Relay::~Relay() = default;

void Relay::attach(ConnectionId reader, std::uint8_t subscription, const MailboxId& mailbox) {
  shard_->attach(reader, subscription, mailbox);
}
void Relay::detach(ConnectionId connection) {
  shard_->detach(connection);
}
void Relay::add_credit(ConnectionId reader, std::uint32_t envelopes, std::uint32_t bytes) {
  shard_->add_credit(reader, envelopes, bytes);
}
bool Relay::acknowledge(ConnectionId reader, std::uint32_t number) {
  return shard_->acknowledge(reader, number);
}
void Relay::submit(const Submission& submission) {
  shard_->submit(submission);
}
void Relay::clear(ConnectionId sender, const MailboxId& mailbox) {
  shard_->clear(sender, mailbox);
}
void Relay::destroy(const MailboxId& mailbox) {
  shard_->destroy(mailbox);
}
void Relay::flush() {
  shard_->flush();
}
void Relay::tick() {
  shard_->tick();
}
std::optional<Instant> Relay::next_deadline() const {
  return shard_->next_deadline();
}
void Relay::trust_clock(bool trusted) {
  shard_->trust_clock(trusted);
}
void Relay::shut_down(std::move_only_function<void()> done) {
  shard_->shut_down(std::move(done));
}
const Counters& Relay::counters() const {
  return shard_->counters();
}

}  // namespace opaline::relay
