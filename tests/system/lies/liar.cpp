#include "tests/system/lies/liar.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "crypto/random.hpp"
#include "proto/device.pb.h"
#include "session/device_list.hpp"
#include "session/prekeys.hpp"

namespace opaline::lies {
namespace {

namespace fs = std::filesystem;
namespace v1 = wire::v1;

struct Envelope {
  EnvelopeId id;
  Bytes ciphertext;
};

// Of all connections; the server's I/O thread alone.
std::map<MailboxId, std::vector<Envelope>> captured;
std::map<std::string, MailboxId> mailboxes;  // ACCOUNT/number

const fs::path& file_of_lies() {
  static const fs::path path = [] {
    const char* set = std::getenv("OPALINE_LIES");
    return fs::path(set ? set : "");
  }();
  return path;
}

std::vector<Lie> read_lies() {
  std::vector<Lie> out;
  std::ifstream in(file_of_lies());
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    Lie lie;
    for (std::string word; words >> word;) lie.push_back(word);
    if (!lie.empty()) out.push_back(std::move(lie));
  }
  return out;
}

/// Tests look whether the lie was really told.
bool note(const Lie& lie) {
  std::ofstream(file_of_lies().parent_path() / "told", std::ios::app) << lie[0] << "\n";
  return true;
}

std::string hex(std::string_view bytes) {
  return to_hex(as_view(bytes));
}

std::string chars(ByteView bytes) {
  return to_string(bytes);
}

void keep_list(std::string_view bytes) {
  const auto list = credentials::load_device_list(as_view(bytes));
  if (!list) return;
  const auto name =
      "list-" + list->list().account.hex() + "-" + std::to_string(static_cast<std::uint32_t>(list->list().number));
  const auto path = file_of_lies().parent_path() / name;
  if (!fs::exists(path)) std::ofstream(path, std::ios::binary) << bytes;
}

/// A successor of `current` with a device more, signed by a key of the liar's.
std::string with_device_added(std::string_view current, bool named_account_key) {
  static crypto::SystemRandom random;
  static const auto key = session::AccountKey::generate(random);
  static const auto identity = session::DeviceIdentity::generate(random);
  const auto before = credentials::load_device_list(as_view(current));
  if (!before) return std::string(current);
  auto next = credentials::next_device_list(*before, before->list().created + std::chrono::seconds(1));
  auto entry = next.devices.back();
  entry.number = next.next_device;
  entry.mailbox = random.id<MailboxId>();
  entry.keys = identity.public_keys();
  next.next_device = DeviceNumber{static_cast<std::uint32_t>(next.next_device) + 1};
  next.devices.push_back(entry);
  const auto true_key = next.account_key;
  next.account_key = key.public_key();
  Bytes out = session::sign_device_list(next, key, random);
  // The right key's name over the liar's signature.
  if (named_account_key) std::ranges::copy(true_key.view(), out.begin() + 1 + AccountId::kSize);
  return chars(out);
}

bool names(std::string_view list, std::uint32_t device) {
  const auto read = credentials::load_device_list(as_view(list));
  return read && read->find(DeviceNumber{device}) != nullptr;
}

template <class Message>
void flip(Message& message) {
  for (auto& each : *message.mutable_messages()) each.back() = static_cast<char>(each.back() ^ 1);
}

}  // namespace

bool Liar::told(std::string_view lie, std::string_view first) const {
  return std::ranges::any_of(
      lies_, [&](const Lie& each) { return each[0] == lie && (each.size() < 2 || each[1] == first) && note(each); });
}

void Liar::change(wire::Submit& submit) {
  const auto route = routes_.find(submit.route);
  if (route == routes_.end()) return;
  if (submit.envelope_class == wire::EnvelopeClass::normal) {
    captured[route->second].push_back({submit.id, to_bytes(submit.ciphertext)});
  }
  for (const auto& [device, mailbox] : mailboxes) {
    if (mailbox == route->second && told("drop", device)) submit.envelope_class = wire::EnvelopeClass::ephemeral;
  }
}

void Liar::change_call(Bytes& out, wire::Call call) {
  std::string body = chars(call.body);
  Asked asked{call.method, {}};
  switch (call.method) {
    case v1::METHOD_BUNDLES: {
      v1::BundlesRequest request;
      if (request.ParseFromString(body)) asked.about = hex(request.account());
      break;
    }
    case v1::METHOD_SEND_TOKENS: {
      v1::SendTokensRequest request;
      if (request.ParseFromString(body)) asked.about = hex(request.account());
      break;
    }
    case v1::METHOD_UPDATE_DEVICES: {
      v1::UpdateDevicesRequest request;
      if (request.ParseFromString(body)) keep_list(request.device_list());
      if (!told("forget", account_)) break;
      call.method = v1::METHOD_ACCOUNT;
      body.clear();
      break;
    }
    case v1::METHOD_LINK_JOIN: {
      const auto lie = std::ranges::find_if(lies_, [](const Lie& each) { return each[0] == "join"; });
      if (lie == lies_.end()) break;
      v1::LinkJoinRequest request;
      request.set_number(lie->at(1));
      body = request.SerializeAsString();
      note(*lie);
      break;
    }
    default:
      break;
  }
  calls_[call.id] = asked;
  call.body = as_view(body);
  encode(out, call);
}

Bytes Liar::from_device(ByteView batch) {
  lies_ = read_lies();
  Bytes out;
  for (wire::FrameReader in(batch); !in.done();) {
    auto frame = in.next();
    if (!frame) return to_bytes(batch);
    if (auto* auth = std::get_if<wire::Auth>(&*frame)) {
      account_ = auth->account.hex();
      device_ = account_ + "/" + std::to_string(static_cast<std::uint32_t>(auth->device));
    } else if (auto* route = std::get_if<wire::Route>(&*frame)) {
      routes_[route->route] = route->mailbox;
    } else if (auto* submit = std::get_if<wire::Submit>(&*frame)) {
      change(*submit);
    } else if (auto* ack = std::get_if<wire::Ack>(&*frame)) {
      if (ack->number >= 1 && ack->number <= server_number_.size()) ack->number = server_number_[ack->number - 1];
      if (ack->number == 0) continue;
    } else if (auto* call = std::get_if<wire::Call>(&*frame)) {
      change_call(out, *call);
      continue;
    }
    std::visit(
        [&](const auto& each) {
          if constexpr (!std::is_same_v<std::decay_t<decltype(each)>, wire::ResultFrame>) encode(out, each);
        },
        *frame);
  }
  return out;
}

void Liar::push(std::vector<Bytes>& out, wire::Push push, bool of_server) {
  pushed_by_server_ += of_server;
  server_number_.push_back(pushed_by_server_);
  if (out.back().size() + push.ciphertext.size() + wire::kPushOverheadBytes > wire::kMaxBatchBytes) out.emplace_back();
  encode(out.back(), push);
}

void Liar::push_captured(std::vector<Bytes>& out) {
  for (const auto& lie : lies_) {
    const bool again = lie[0] == "replay" && lie[1] == device_;
    const bool strange = lie[0] == "deliver" && lie[2] == device_;
    if (!again && !strange) continue;
    for (const auto& each : captured[mailboxes[lie[1]]]) {
      note(lie);
      push(out, {0, false, each.id, each.ciphertext}, false);
    }
  }
}

template <class Reply>
void Liar::change_devices(Reply& reply, const std::string& about) const {
  keep_list(reply.device_list());
  auto& devices = *reply.mutable_devices();
  for (const auto& lie : lies_) {
    const bool here = lie.size() > 2 && lie[2] == about && (lie[1] == "*" || lie[1] == account_);
    if (lie[0] == "list" && here && note(lie)) {
      std::ifstream in(lie[3], std::ios::binary);
      reply.set_device_list(std::string(std::istreambuf_iterator<char>(in), {}));
      reply.clear_list_history();
      for (int i = devices.size(); i-- > 0;) {
        if (!names(reply.device_list(), devices[i].device())) devices.DeleteSubrange(i, 1);
      }
    } else if (lie[0] == "add" && here && !devices.empty() && note(lie)) {
      reply.set_device_list(with_device_added(reply.device_list(), lie[3] == "account"));
      auto* more = reply.add_devices();
      *more = devices[0];
      const auto list = credentials::load_device_list(as_view(reply.device_list()));
      more->set_device(static_cast<std::uint32_t>(list->list().devices.back().number));
      more->set_mailbox(chars(list->list().devices.back().mailbox.view()));
    } else if (lie[0] == "swap" && lie[1] == about && devices.size() > 1 && note(lie)) {
      if (lie[2] == "keys") devices[0].mutable_bundle()->swap(*devices[1].mutable_bundle());
      if (lie[2] == "mailboxes") {
        devices[0].mutable_mailbox()->swap(*devices[1].mutable_mailbox());
        devices[0].mutable_send_token()->swap(*devices[1].mutable_send_token());
      }
    }
  }
}

std::string Liar::changed(const Asked& asked, std::string body) const {
  const auto with = [&body](auto reply, auto&& change) {
    if (reply.ParseFromString(body)) {
      change(reply);
      body = reply.SerializeAsString();
    }
  };
  switch (asked.method) {
    case v1::METHOD_BUNDLES:
      with(v1::BundlesReply{}, [&](auto& reply) { change_devices(reply, asked.about); });
      break;
    case v1::METHOD_SEND_TOKENS:
      with(v1::SendTokensReply{}, [&](auto& reply) { change_devices(reply, asked.about); });
      break;
    case v1::METHOD_UPDATE_DEVICES:
      if (told("forget", account_))
        with(v1::AccountReply{}, [](auto& reply) { reply.set_list_number(reply.list_number() + 1); });
      break;
    case v1::METHOD_LINK_JOIN:
      if (told("flip", {})) with(v1::LinkJoinReply{}, [](auto& reply) { flip(reply); });
      break;
    case v1::METHOD_LINK_TURN:
      if (told("flip", {})) with(v1::LinkTurnReply{}, [](auto& reply) { flip(reply); });
      break;
    default:
      break;
  }
  return body;
}

std::vector<Bytes> Liar::from_server(ByteView batch) {
  lies_ = read_lies();
  std::vector<Bytes> out(1);
  std::vector<wire::Push> reversed;
  for (wire::FrameReader in(batch); !in.done();) {
    auto frame = in.next();
    if (!frame) return {to_bytes(batch)};
    if (auto* found = std::get_if<wire::Push>(&*frame)) {
      if (told("reverse", device_)) {
        reversed.push_back(*found);
      } else {
        push(out, *found, true);
      }
      continue;
    }
    for (; !reversed.empty(); reversed.pop_back()) push(out, reversed.back(), true);
    if (auto* ready = std::get_if<wire::Ready>(&*frame)) mailboxes[device_] = ready->mailbox;
    if (std::holds_alternative<wire::Drained>(*frame)) push_captured(out);
    if (auto* reply = std::get_if<wire::Reply>(&*frame)) {
      const auto asked = calls_.extract(reply->id);
      const auto body = reply->status == 0 && asked ? changed(asked.mapped(), chars(reply->body)) : chars(reply->body);
      reply->body = as_view(body);
      if (out.back().size() + body.size() + 64 > wire::kMaxBatchBytes) out.emplace_back();
      encode(out.back(), *reply);
      continue;
    }
    std::visit(
        [&](const auto& each) {
          if constexpr (std::is_same_v<std::decay_t<decltype(each)>, wire::ResultFrame>) {
            std::vector<wire::ResultRange> ranges;
            for (std::size_t i = 0; i < each.size(); ++i) ranges.push_back(each.at(i));
            encode_results(out.back(), ranges);
          } else {
            encode(out.back(), each);
          }
        },
        *frame);
  }
  for (; !reversed.empty(); reversed.pop_back()) push(out, reversed.back(), true);
  std::erase_if(out, [](const Bytes& each) { return each.empty(); });
  return out;
}

}  // namespace opaline::lies
