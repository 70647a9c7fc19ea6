// Vectors of linking, recovery and attachments (tests/vectors/devices.json).
#include "session/attachment.hpp"
#include "session/internal/link_channel.hpp"
#include "session/recovery.hpp"
#include "session/testing_link.hpp"
#include "session/vectors.hpp"
#include "session/vectors_json.hpp"

namespace opaline::session::vectors {
namespace {

using testing::kStart;
using testing::NewKeys;
using testing::TestDevice;
using testing::Way;

constexpr std::uint64_t kAliceSeed = 11;
constexpr std::string_view kHandle = "anna@example.org";

void write_drawn(Json& json, std::string_view name, const Recorded& random) {
  json.open(name, '[');
  for (const Bytes& drawn : random.drawn) json.hex("", drawn);
  json.close();
}

/// What went over the exchange, and what both sides drew for it.
struct Played {
  std::vector<std::pair<std::string_view, Bytes>> messages;
  SecretBytes code;
  std::optional<LinkDigits> digits;
  Bytes done_list;
};

/// Both sides, honest; asserts that it goes well.
Played play(Way way, TestDevice& alice, const LinkExchangeId& exchange, const MailboxId& mailbox, Recorded& random_n,
            Recorded& random_p) {
  Played out;
  LinkNewDevice fresh(random_n);
  fresh.opened(exchange);
  const LinkPrimaryInput input{
      .exchange = exchange, .mailbox = mailbox, .list = alice.list, .handle = kHandle, .now = kStart};
  out.code = fresh.code();
  LinkPrimary primary =
      way == Way::scanned ? LinkPrimary(input, *decode_link_code(as_text(out.code))) : LinkPrimary(input);
  const auto to_new = [&](const LinkStep& step) {
    LinkStep last;
    for (const Bytes& message : step.send) {
      out.messages.emplace_back("primary", message);
      last = *fresh.on_message(message, random_n);
    }
    return last;
  };
  const auto to_primary = [&](const Bytes& message) {
    out.messages.emplace_back("new", message);
    return *primary.on_message(message, random_p);
  };
  LinkStep at_new = to_new(to_primary(fresh.hello()));
  if (way == Way::typed) {
    at_new = to_new(to_primary(at_new.send[0]));
    out.digits = std::get<LinkDigits>(at_new.event);
    OPALINE_ASSERT(fresh.confirm().has_value());
    at_new = to_new(*primary.confirm());
  }
  const LinkWelcome& welcome = std::get<LinkWelcome>(at_new.event);
  const NewKeys keys({alice.account, welcome.device}, 12);
  OPALINE_ASSERT(
      std::holds_alternative<LinkProposal>(to_primary(fresh.send_keys(keys.input(), random_n)->send[0]).event));
  out.done_list = sign_device_list(primary.next_list(kStart), alice.account_key, alice.random);
  OPALINE_ASSERT(std::holds_alternative<LinkDone>(to_new(*primary.approve(*verify_device_list(out.done_list))).event));
  return out;
}

void write_linking(Json& json, Way way, TestDevice& alice) {
  SeededRandom ids(way == Way::scanned ? 20 : 21);
  SeededRandom source_n(way == Way::scanned ? 22 : 23);
  SeededRandom source_p(way == Way::scanned ? 24 : 25);
  Recorded random_n(source_n);
  Recorded random_p(source_p);
  const auto exchange = ids.id<LinkExchangeId>();
  const auto mailbox = ids.id<MailboxId>();
  const Played played = play(way, alice, exchange, mailbox, random_n, random_p);

  // The values between, from what was drawn: N's X25519 key, ML-KEM seed, secret; P's X25519 key.
  const bool scanned = way == Way::scanned;
  const auto body = [&](std::size_t at) { return ByteView(played.messages[at].second); };
  const internal::LinkTranscript transcript =
      scanned ? internal::link_transcript(exchange, {body(0), body(1)})
              : internal::link_transcript(exchange, {body(0), body(1), body(2), body(3)});
  const ByteView answer = body(scanned ? 1 : 3).subspan(internal::kLinkHeaderBytes);
  const auto dh = *crypto::x25519_agree(crypto::X25519PrivateKey(ByteView(random_n.drawn[0]).first<32>()),
                                        crypto::X25519PublicKey(answer.first<32>()));
  const auto kem = crypto::MlKem768Decapsulator(crypto::MlKem768PrivateKey(ByteView(random_n.drawn[1]).first<64>()))
                       .decapsulate(crypto::MlKem768Ciphertext(answer.subspan<32, 1088>()));
  const LinkSecret secret(ByteView(random_n.drawn[2]).first<16>());
  const auto channel_of = [&](bool new_device) {
    return internal::LinkChannel(transcript, dh, kem, scanned ? &secret : nullptr, new_device);
  };
  internal::LinkChannel at_new = channel_of(true);
  internal::LinkChannel at_primary = channel_of(false);

  json.open(scanned ? "linking_scanned" : "linking_typed").hex("exchange", exchange.view());
  json.hex("mailbox", mailbox.view()).text("handle", kHandle).number("now", unix_millis(kStart));
  write_drawn(json, "random_new", random_n);
  write_drawn(json, "random_primary", random_p);
  if (scanned) json.text("code", as_text(played.code));
  json.hex("transcript", transcript).hex("dh", dh.reveal()).hex("kem_secret", kem.reveal());
  if (played.digits) json.text("digits", played.digits->text());
  json.open("messages", '[');
  for (const auto& [from, bytes] : played.messages) {
    json.open("").text("from", from).hex("bytes", bytes);
    const internal::LinkMessage message = *internal::parse_link_message(bytes);
    if (message.type >= internal::LinkType::welcome) {
      json.hex("plaintext", *(from == "new" ? at_primary : at_new).open(message));
    }
    json.close();
  }
  json.close().hex("new_list", played.done_list).close();
}

void write_recovery(Json& json, TestDevice& alice) {
  constexpr std::string_view kPassphrase = "correct horse battery stäple";
  constexpr crypto::Argon2Cost kCost{.memory_kib = 1024, .passes = 2, .lanes = 4};
  SeededRandom source(30);
  Recorded random(source);
  const Bytes file = *make_recovery_file({.account_key = alice.account_key,
                                          .list = alice.list,
                                          .primary = DeviceNumber{1},
                                          .created = kStart,
                                          .handles = {kHandle, "+4915112345678"},
                                          .cost = kCost},
                                         as_view(kPassphrase), random);
  const auto challenge = source.bytes<32>();
  const auto signature = sign_recovery_challenge(alice.account_key, challenge, alice.account, random);
  json.open("recovery").hex("passphrase", as_view(kPassphrase)).number("primary", 1);
  json.number("created", unix_millis(kStart)).open("handles", '[').text("", kHandle).text("", "+4915112345678").close();
  json.number("memory_kib", kCost.memory_kib).number("passes", kCost.passes).number("lanes", kCost.lanes);
  json.hex("salt", random.drawn[0]).hex("file", file);
  json.hex("challenge", challenge).hex("mldsa_rnd", random.drawn[1]).hex("signature", signature.view()).close();
}

void write_attachment(Json& json, const TestDevice& alice) {
  SeededRandom random(31);
  const AttachmentKey key = generate_attachment_key(random);
  const ReleaseSecret secret = generate_release_secret(random);
  Bytes plaintext(1000);
  random.fill(plaintext);
  Bytes ciphertext(plaintext.size());
  AttachmentSealer sealer(key);
  sealer.seal(plaintext, ciphertext);
  json.open("attachment").hex("key", key.reveal()).hex("plaintext", plaintext).hex("ciphertext", ciphertext);
  json.hex("sha256", sealer.finish().view()).hex("release_secret", secret.reveal()).open("release", '[');
  for (const std::uint32_t device : {1u, 2u, 0x01020304u}) {
    const ReleaseToken token = release_token(secret, {alice.account, DeviceNumber{device}});
    json.open("").hex("account", alice.account.view()).number("device", device);
    json.hex("token", token.reveal()).hex("hash", release_hash(token).view()).close();
  }
  json.close().close();
}

}  // namespace

std::string generate_devices() {
  TestDevice alice(kAliceSeed);
  Json json;
  json.open("").text("protocol", "opaline/1").text("see", "docs/protocol.md").number("start", unix_millis(kStart));
  const SecretBytes account_key = alice.account_key.serialise();
  json.open("alice").number("random_seed", kAliceSeed).hex("account", alice.account.view());
  json.hex("account_private", ByteView(account_key).subspan(1)).hex("device_list", alice.list.bytes()).close();
  // What the new device is: its keys, as NewKeys makes them.
  const NewKeys keys({alice.account, DeviceNumber{2}}, 12);
  const SecretBytes identity = keys.identity.serialise();
  json.open("new_device").hex("signing_private", ByteView(identity).subspan(1, 64));
  json.hex("agreement_private", ByteView(identity).subspan(65)).hex("prekey_set", keys.prekeys.signed_set);
  json.hex("one_time_batch", keys.prekeys.one_time_batch).hex("name", as_view(keys.input().name)).close();
  write_linking(json, Way::scanned, alice);
  write_linking(json, Way::typed, alice);
  write_recovery(json, alice);
  write_attachment(json, alice);
  return json.close().take();
}

}  // namespace opaline::session::vectors
