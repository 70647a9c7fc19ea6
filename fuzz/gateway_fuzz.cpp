// What a gateway reads beside the MSP API itself: settings of a business, what it gave to an MSP and gets back, rows of
// its store, and what a person's device wrote, on its way to a webhook. The first byte chooses, the rest is the input.
#include "base/codec.hpp"
#include "fuzz/targets.hpp"
#include "gateway/config.hpp"
#include "gateway/records.hpp"
#include "gateway/tickets.hpp"
#include "msp/gzip.hpp"

namespace opaline::fuzz {
namespace {

using namespace opaline::gateway;

void check(bool holds) {
  OPALINE_ASSERT(holds);
}

const msp::Uuid kBusiness = *msp::parse_uuid("6b1d2c3e-9f80-4a1b-8c7d-112233445566");
constexpr std::string_view kSettings =
    R"({"webhook":"https://shop.example/hook","msp":{"id":"m","secret":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}})";

const BusinessConfig& shop() {
  static const BusinessConfig out = *parse_business(kBusiness, "Shop", kSettings);
  return out;
}
const net::Url& service() {
  static const net::Url out = *net::Url::parse("https://chat.example");
  return out;
}

class Shop final : public BusinessPort, public Businesses {
 public:
  [[nodiscard]] const BusinessConfig& config() const override { return shop(); }
  void send(Prepared, std::chrono::nanoseconds, std::function<void(Outcome)>) override {}
  [[nodiscard]] Outcome typing(const credentials::OpaqueId&, bool) override { return Outcome::unknown; }
  [[nodiscard]] std::optional<Outcome> status(const msp::Uuid&) override { return std::nullopt; }
  void call(std::uint16_t, ByteView, uplink::CallDone) override {}
  [[nodiscard]] BusinessPort* find(const msp::Uuid& id) override { return id == kBusiness ? this : nullptr; }
  [[nodiscard]] std::vector<BusinessPort*> of_msp(std::string_view) override { return {this}; }
};

void settings_from(ByteView input) {
  const auto read = parse_business(kBusiness, "Shop", as_text(input));
  if (read) return check(read->id == kBusiness && !read->webhook.host.empty());
  check(!read.error().empty());
}

/// 43 characters of a blob, and a ticket. Nobody without the secret makes one.
void ticket_from(ByteView input) {
  Shop businesses;
  const std::size_t cut = std::min<std::size_t>(input.size(), 43);
  check(!read_upload_ticket(as_text(input.first(cut)), as_text(input.subspan(cut)), businesses));
}

/// What was given out is read again, and with any edit it is refused.
void edited_ticket_from(ByteView input) {
  Shop businesses;
  UploadTicket ticket{.business = kBusiness, .blob = {}, .upload_token = {}, .size_bytes = 7};
  const std::string given = write_upload_ticket(ticket, shop());
  const std::size_t slash = given.find('/');
  const Bytes changed = edited(as_view(given), input);
  const std::string_view text = as_text(changed);
  const auto read = read_upload_ticket(text.substr(0, slash), text.substr(slash + 1), businesses);
  // The last character of base64url may say the same in another way only if the reader allows it: it does not.
  check(read.has_value() == (text == given || text == std::string(given).replace(slash, 1, 1, text[slash])));
}

void ref_from(ByteView input) {
  msp::DataRef ref{.bid = "b",
                   .owner = msp::to_text(kBusiness),
                   .url = "https://chat.example/v1/blobs/" + std::string(43, 'A'),
                   .title = {},
                   .size_bytes = 9,
                   .signature = {},
                   .service_signature = to_bytes(input),
                   .key = std::nullopt};
  check(!open_ref_key(ref, shop()));
}

void webhook(const Received& message) {
  const auto made = webhook_for(message, shop(), service());
  if (!made) return;
  check(made->body.size() <= 2 * msp::kMaxBodyBytes && msp::is_gzip(made->body));
  for (const auto& header : made->headers) check(header.value.find_first_of("\r\n") == header.value.npos);
}

void record_from(ByteView input) {
  if (const auto waiting = decode_waiting(input)) {
    check(equal(encode(*waiting), input));
    webhook(waiting->message);
  }
  if (const auto body = decode_body(input)) check(equal(encode(*body), input));
  if (const auto person = decode_person(input)) {  // a row of an earlier version is written anew
    const Bytes written = encode(*person);
    const auto again = decode_person(written);
    check(again && encode(*again) == written);
  }
}

/// A message of a person's device: u16 length of the part, part, text.
void message_from(ByteView input) {
  Reader in(input);
  const std::size_t size = in.u16();
  Received message;
  message.id = kBusiness;
  message.opaque_id = credentials::OpaqueId(ByteArray<credentials::kOpaqueIdBytes>{}).text();
  message.part = to_secret_bytes(in.bytes(std::min(size, in.left())));
  message.text = to_secret_bytes(in.rest());
  if (!in.failed()) webhook(message);
}

}  // namespace

void gateway(ByteView bytes) {
  constexpr void (*kEntries[])(ByteView) = {settings_from, ticket_from, edited_ticket_from,
                                            ref_from,      record_from, message_from};
  const auto [what, input] = choose(bytes, std::size(kEntries));
  kEntries[what](input);
}

}  // namespace opaline::fuzz
