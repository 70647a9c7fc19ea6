// A business for tests: enrols with a ticket, shows what comes as JSON lines, sends what is asked for on standard
// input:
//   play_business SERVER CA-FILE HOME ENROLMENT
//   <- {"event": "ready"}, {"event": "message", "from", "id", "text", "files", and the part's fields},
//      {"event": "state", "id", "state", "reason"}
//   -> {"to", "text", "kind": 0..3, "json": "...", "automatic": true, "files": [an Attachment in hexadecimal fields]}
#include <fmt/format.h>

#include <boost/json.hpp>
#include <fstream>
#include <iostream>
#include <iterator>
#include <thread>

#include "client/client.hpp"
#include "crypto/hash.hpp"
#include "crypto/random.hpp"
#include "proto/device.pb.h"
#include "wire/business_part.hpp"

namespace opaline {
namespace {

namespace json = boost::json;
using client::Client;

[[noreturn]] void die(const std::string& why) {
  fmt::print(stderr, "play_business: {}\n", why);
  std::exit(1);
}

void say(const json::object& object) {
  fmt::print("{}\n", json::serialize(object));
  std::fflush(stdout);
}

/// The registration of a gateway (docs/device-api.md): with a ticket in place of a checked code.
void enrol(client::Service& service, endpoint::EndpointStore& rows, RandomSource& random, const Clock& clock,
           std::string_view text) {
  constexpr std::string_view kPrefix = "opaline-enrol-";
  const auto bytes = text.starts_with(kPrefix) ? from_base64url(text.substr(kPrefix.size())) : std::nullopt;
  if (!bytes || bytes->size() != 64) die("no enrolment");
  const ByteView view(*bytes);
  const endpoint::Enrolment enrolment{*AccountId::from(view.subspan(32, 16)), DeviceNumber{1},
                                      *MailboxId::from(view.subspan(48, 16))};
  const auto made = endpoint::Endpoint::create(rows, random, clock, enrolment);
  if (!made) die("no keys");
  wire::v1::CompleteRequest request;
  request.set_ticket(to_string(view.first(32)));
  request.set_device_list(to_string(made->device_list));
  request.mutable_prekeys()->set_signed_prekeys(to_string(made->prekeys.signed_set));
  request.mutable_prekeys()->set_one_time_batch(to_string(made->prekeys.one_time_batch));
  const auto answer = service.post("registration/complete", as_view(request.SerializeAsString()));
  if (!answer) die(answer.error().message);
  if (!endpoint::Endpoint::confirm_registration(rows)) die("not confirmed");
}

json::object described(const client::Entry& entry) {
  json::object out{{"event", "message"},
                   {"from", entry.peer.hex()},
                   {"id", entry.message.hex()},
                   {"text", as_text(entry.text)},
                   {"files", entry.attachments.size()}};
  const auto part = wire::decode_business_part(entry.part);
  if (!part) return out;
  out["kind"] = static_cast<int>(part->kind);
  out["json"] = as_text(part->json);
  out["in_file"] = part->in_file;
  out["answers"] = part->answers ? part->answers->hex() : "";
  out["opaque_id"] = to_base64url(part->opaque_id);
  out["intent"] = as_text(part->intent);
  out["group"] = as_text(part->group);
  out["locale"] = as_text(part->locale);
  out["device_agent"] = as_text(part->device_agent);
  out["capabilities"] = part->capabilities;
  out["shared"] = as_text(part->shared);
  return out;
}

class Player {
 public:
  Player(const std::string& server, const std::string& authority, const std::string& home, const std::string& ticket)
      : home_(*client::Home::at(home)) {
    std::ifstream file(authority);
    const client::Settings settings{server, {std::istreambuf_iterator<char>(file), {}}};
    const client::Unlock unlock{std::nullopt, home_.key_file()};
    const bool fresh = !home_.has_database();
    auto store =
        fresh ? client::LocalStore::create(home_, unlock, settings, random_) : client::LocalStore::open(home_, unlock);
    if (!store) die("no store");
    store_.emplace(std::move(*store));
    service_ = std::move(*client::Service::create(loop_, settings));
    if (fresh) {
      client::SqliteEndpointStore rows(*store_, random_);
      enrol(*service_, rows, random_, clock_, ticket);
    }
  }

  void run() {
    Client::Events events;
    events.on_link = [](const client::Failure* why) { say({{"event", why == nullptr ? "ready" : "cut"}}); };
    events.on_fatal = [](const client::Failure& why) { die(why.message); };
    events.on_event = [this](const endpoint::Event& event) { on_event(event); };
    client_ =
        std::move(*Client::open(loop_, clock_, random_, *store_, *service_, std::move(events), Client::Kind::business));
    const auto list = client_->device().own_list();
    if (!list) die("no list");
    say({{"event", "key"}, {"key", to_hex(crypto::sha256(list->list().account_key.view()))}});
    client_->start();
    std::thread([this] {
      for (std::string line; std::getline(std::cin, line);) loop_.post([this, line] { take(line); });
      loop_.stop();
    }).detach();
    loop_.run();
  }

 private:
  void on_event(const endpoint::Event& event) {
    if (const auto* changed = std::get_if<endpoint::MessageStateChanged>(&event))
      return say({{"event", "state"},
                  {"id", changed->id.hex()},
                  {"state", static_cast<int>(changed->state)},
                  {"reason", static_cast<int>(changed->reason)}});
    if (const auto* added = std::get_if<endpoint::NoticeAdded>(&event))
      return say({{"event", "notice"}, {"peer", added->peer.hex()}, {"notice", static_cast<int>(added->kind)}});
    if (!std::holds_alternative<endpoint::MessageReceived>(event)) return;
    const auto entries = client_->history().entries({.peers = {}, .unshown_only = true}, 100);
    if (!entries) die("no history");
    for (const client::Entry& entry : *entries) {
      if (entry.kind == client::EntryKind::incoming) say(described(entry));
      (void)client_->history().mark_shown(std::span(&entry.id, 1));
    }
  }

  void take(const std::string& line) {
    const json::object wanted = json::parse(line).as_object();
    const auto text = [&](const char* key) {
      const auto* found = wanted.if_contains(key);
      return found == nullptr ? std::string() : std::string(found->as_string());
    };
    const auto* kind = wanted.if_contains("kind");
    const auto* automatic = wanted.if_contains("automatic");
    const std::string data = text("json");
    wire::BusinessPart part;
    part.kind = kind == nullptr ? wire::PartKind::words : static_cast<wire::PartKind>(kind->to_number<int>());
    part.json = as_view(data);
    part.automatic = automatic != nullptr && automatic->as_bool();
    SecretBytes encoded;
    if (!wire::encode(encoded, part)) die("a part that cannot be");
    const std::string words = text("text");
    const auto sent = client_->send_message(*AccountId::from_hex(text("to")), {.utf8 = words, .part = encoded});
    say(sent ? json::object{{"event", "queued"}, {"id", sent->hex()}}
             : json::object{{"event", "refused"}, {"message", sent.error().message}});
  }

  SystemClock clock_;
  crypto::SystemRandom random_;
  net::EventLoop loop_{clock_};
  client::Home home_;
  std::optional<client::LocalStore> store_;
  std::unique_ptr<client::Service> service_;
  std::unique_ptr<Client> client_;
};

}  // namespace
}  // namespace opaline

int main(int argc, char** argv) {
  if (argc != 5) opaline::die("SERVER CA-FILE HOME ENROLMENT");
  opaline::Player(argv[1], argv[2], argv[3], argv[4]).run();
}
