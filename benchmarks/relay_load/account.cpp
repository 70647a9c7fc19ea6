#include "relay_load/account.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "crypto/random.hpp"
#include "load/die.hpp"
#include "proto/device.pb.h"
#include "session/prekeys.hpp"

namespace opaline::bench {
namespace {

/// HTTP/1.1 with keep-alive and Content-Length, which is all that the registration API uses.
class Http {
 public:
  explicit Http(const Service& service) : host_(service.target.name), stream_(service.context, service.target) {}

  /// The body of a 200.
  std::string post(const std::string& path, const std::string& body) {
    stream_.output.append(as_view(fmt::format(
        "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-protobuf\r\nContent-Length: {}\r\n\r\n", path,
        host_, body.size())));
    stream_.output.append(as_view(body));
    (void)stream_.push();
    const std::string head = take(head_size());
    const std::string answer = take(content_length(head));
    if (!head.starts_with("HTTP/1.1 200 ")) {
      wire::v1::Failure failure;
      const bool told = failure.ParseFromString(answer);
      die(fmt::format("{} was refused: {} {}", path, head.substr(0, head.find('\r')), told ? failure.message() : ""));
    }
    return answer;
  }

 private:
  std::size_t head_size() {
    for (;;) {
      const auto end = as_text(stream_.input.view()).find("\r\n\r\n");
      if (end != std::string_view::npos) return end + 4;
      pull();
    }
  }
  static std::size_t content_length(std::string head) {
    for (char& c : head) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const auto at = head.find("\r\ncontent-length:");
    if (at == std::string::npos) die("an HTTP answer has no Content-Length");
    return std::stoul(head.substr(at + 17));
  }
  std::string take(std::size_t size) {
    while (stream_.input.size() < size) pull();
    std::string out = to_string(stream_.input.view().first(size));
    stream_.input.consume(size);
    return out;
  }
  void pull() {
    if (!stream_.pull()) die("the server closed the registration connection");
  }
  std::string host_;
  TlsStream stream_;
};

/// The development server's file of codes, from where it ends now. It need not exist yet.
class Codes {
 public:
  explicit Codes(std::filesystem::path file) : path_(std::move(file)) {
    std::error_code absent;
    const auto size = std::filesystem::file_size(path_, absent);
    if (!absent) next_ = static_cast<std::streamoff>(size);
  }
  std::string for_handle(const std::string& handle) {
    const std::string wanted = "\"" + handle + "\"";
    for (int waited_ms = 0; waited_ms < 10'000; ++waited_ms) {
      std::ifstream file(path_);
      file.seekg(next_);
      std::string line;
      while (std::getline(file, line) && !file.eof()) {  // a line without its end is still being written
        next_ = file.tellg();
        if (line.find(wanted) != std::string::npos) return code_in(line);
      }
      ::usleep(1000);
    }
    die("no code for " + handle + " in " + path_.string());
  }

 private:
  static std::string code_in(const std::string& line) {
    constexpr std::string_view kKey = "\"code\"";
    const auto key = line.find(kKey);
    const auto digit = key == std::string::npos ? key : line.find_first_of("0123456789", key + kKey.size());
    if (digit == std::string::npos) die("a line of the outbox file has no code");
    return line.substr(digit, 6);
  }
  std::filesystem::path path_;
  std::streamoff next_ = 0;
};

std::string text(ByteView bytes) {
  return to_string(bytes);
}

template <class Reply>
Reply step(Http& http, const char* name, const google::protobuf::MessageLite& request) {
  Reply reply;
  if (!reply.ParseFromString(http.post(fmt::format("/v1/registration/{}", name), request.SerializeAsString())))
    die(fmt::format("the answer to {} makes no sense", name));
  return reply;
}

Account register_one(Http& http, Codes& codes, const std::string& handle) {
  crypto::SystemRandom random;
  wire::v1::StartRequest start;
  start.set_handle(handle);
  const auto started = step<wire::v1::StartReply>(http, "start", start);
  wire::v1::CheckRequest check;
  check.set_verification(started.verification());
  check.set_code(codes.for_handle(started.normalized_handle()));
  const auto checked = step<wire::v1::CheckReply>(http, "check", check);
  const auto account = AccountId::from(as_view(checked.account()));
  const auto mailbox = MailboxId::from(as_view(checked.mailbox()));
  if (!account || !mailbox) die("the answer to check makes no sense");

  Account out{*account, DeviceNumber(checked.device()), *mailbox, session::DeviceIdentity::generate(random)};
  const auto account_key = session::AccountKey::generate(random);
  const Time now = SystemClock().now();
  const auto list = session::first_device_list(*account, account_key, *mailbox, session::kCapabilityMessages,
                                               out.identity.public_keys(), now);
  const auto prekeys =
      session::generate_prekeys(out.identity, {*account, out.device}, session::PrekeySetId{1}, 0, now, random);
  wire::v1::CompleteRequest complete;
  complete.set_ticket(checked.ticket());
  complete.set_device_list(text(session::sign_device_list(list, account_key, random)));
  complete.mutable_prekeys()->set_signed_prekeys(text(prekeys.signed_set));
  complete.mutable_prekeys()->set_one_time_batch(text(prekeys.one_time_batch));
  (void)step<wire::v1::CompleteReply>(http, "complete", complete);
  return out;
}

}  // namespace

std::vector<Account> register_accounts(const Service& service, std::size_t count) {
  Http http(service);
  Codes codes(service.outbox);
  std::vector<Account> out;
  const std::string run = crypto::SystemRandom().id<EnvelopeId>().hex().substr(0, 12);
  for (std::size_t i = 0; i < count; ++i)
    out.push_back(register_one(http, codes, fmt::format("load-{}-{}@bench.example", run, i)));
  return out;
}

void save_accounts(const std::filesystem::path& file, const std::vector<Account>& accounts) {
  std::ofstream out(file, std::ios::trunc);
  std::filesystem::permissions(file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  for (const Account& each : accounts) {
    out << each.account.hex() << ' ' << static_cast<std::uint32_t>(each.device) << ' ' << each.mailbox.hex() << ' '
        << to_hex(each.identity.serialise()) << '\n';
  }
  if (!out.flush()) die("cannot write " + file.string());
}

std::vector<Account> load_accounts(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::vector<Account> out;
  std::string account, mailbox, identity;
  std::uint32_t device = 0;
  while (in >> account >> device >> mailbox >> identity) {
    const auto account_id = AccountId::from_hex(account);
    const auto mailbox_id = MailboxId::from_hex(mailbox);
    const auto stored = from_hex(identity);
    if (!account_id || !mailbox_id || !stored) die("the accounts file is damaged");
    auto keys = session::DeviceIdentity::deserialise(*stored);
    if (!keys) die("the accounts file is damaged");
    out.push_back({*account_id, DeviceNumber(device), *mailbox_id, std::move(*keys)});
  }
  if (out.empty()) die("no accounts in " + file.string());
  return out;
}

}  // namespace opaline::bench
