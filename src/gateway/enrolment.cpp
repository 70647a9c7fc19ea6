// How a gateway puts its keys in at the service.
#include "base/codec.hpp"
#include "gateway/business.hpp"
#include "net/http_client.hpp"
#include "proto/device.pb.h"

namespace opaline::gateway {
namespace {

constexpr std::string_view kEnrolmentPrefix = "opaline-enrol-";
constexpr std::size_t kTicketBytes = 32;
constexpr DeviceNumber kFirstDevice{1};

/// A business is an account of the service whose id is its UUID.
AccountId account_of(const msp::Uuid& business) {
  return AccountId(business.view());
}

struct Enrolment {
  Bytes ticket;
  endpoint::Enrolment device;
};
std::optional<Enrolment> parse_enrolment(std::string_view text) {
  if (!text.starts_with(kEnrolmentPrefix)) return std::nullopt;
  const auto bytes = from_base64url(text.substr(kEnrolmentPrefix.size()));
  if (!bytes || bytes->size() != kTicketBytes + AccountId::kSize + MailboxId::kSize) return std::nullopt;
  Reader in(*bytes);
  Enrolment out;
  out.ticket = to_bytes(in.bytes(kTicketBytes));
  out.device.account = AccountId(in.array<AccountId::kSize>());
  out.device.device = kFirstDevice;
  out.device.mailbox = MailboxId(in.array<MailboxId::kSize>());
  return out;
}

std::string failure_text(const net::HttpResponse& response) {
  wire::v1::Failure theirs;
  if (theirs.ParseFromArray(response.body.data(), static_cast<int>(response.body.size())) && !theirs.message().empty())
    return theirs.message();
  return "it answered with status " + std::to_string(response.status);
}

}  // namespace

void Business::enrol(const Surroundings& around, const msp::Uuid& business, std::string_view enrolment, Enrolled done) {
  const auto parsed = parse_enrolment(enrolment);
  if (!parsed) return done(fail(std::string("this is no enrolment; it begins with opaline-enrol-")));
  if (parsed->device.account != account_of(business))
    return done(fail(std::string("this enrolment is for another business")));
  const Store::Ports ports{around.rows, around.vault, around.clock, around.expiry, around.random};
  const std::string kStore = "the gateway's store cannot be read or written";
  // Who enrols anew has new keys: what was sealed for the old ones is of no use.
  if (!Store::erase(ports, business)) return done(fail(kStore));
  auto opened = Store::open(ports, business);
  if (!opened) return done(fail(kStore));
  const std::shared_ptr<Store> store(std::move(*opened));
  const auto made = endpoint::Endpoint::create(*store, around.random, around.clock, parsed->device);
  if (!made) return done(fail(kStore));
  wire::v1::CompleteRequest request;
  request.set_ticket(to_string(parsed->ticket));
  request.set_device_list(to_string(made->device_list));
  request.mutable_prekeys()->set_signed_prekeys(to_string(made->prekeys.signed_set));
  request.mutable_prekeys()->set_one_time_batch(to_string(made->prekeys.one_time_batch));
  net::HttpClientOptions options;
  options.origin = around.service;
  options.tls = &around.service_tls;
  const auto http = std::make_shared<net::HttpClient>(around.loop, std::move(options));
  net::HttpClientRequest post;
  post.method = "POST";
  post.target = "/v1/registration/complete";
  post.headers = {{"Content-Type", "application/x-protobuf"}};
  post.body = to_bytes(request.SerializeAsString());
  http->request(std::move(post), [&loop = around.loop, http, store, kStore, where = around.service.authority(),
                                  done =
                                      std::move(done)](const Result<net::HttpResponse, net::NetError>& answer) mutable {
    loop.post([kept = std::move(http)] {});  // it must not end inside its own callback
    if (!answer)
      return done(fail("the service at " + where + " is not reached (" + std::string(net::name(answer.error())) + ")"));
    if (answer->status != 200) return done(fail("the service does not take this gateway: " + failure_text(*answer)));
    if (!endpoint::Endpoint::confirm_registration(*store)) return done(fail(kStore));
    done({});
  });
}

}  // namespace opaline::gateway
