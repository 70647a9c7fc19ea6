// Whatever a business's software, a person's device or a link can hand to the gateway and to the client: answered, in
// bounds, with problems that say nothing of it, and what is taken is written down in one way. The first byte chooses
// the entry, the rest is its input.
#include <algorithm>

#include "fuzz/targets.hpp"
#include "msp/entry_link.hpp"
#include "msp/gzip.hpp"
#include "msp/jwt.hpp"
#include "msp/message.hpp"
#include "msp/payload.hpp"
#include "msp/webhook.hpp"

namespace opaline::fuzz {
namespace {

using namespace opaline::msp;

constexpr std::string_view kId = "6b1d2c3e-9f80-4a1b-8c7d-112233445566";
constexpr Time kNow = from_unix_millis(1'800'000'000'000);

void check(bool holds) {
  OPALINE_ASSERT(holds);
}
void check_problem(const Problem& problem) {
  check(problem.status == 400 || problem.status == 401 || problem.status == 403 || problem.status == 404 ||
        problem.status == 413);
  check(!problem.message.empty());
  check(problem.pointer.empty() || problem.pointer.front() == '/');
  check(is_text(to_json(problem)));
}

/// Answers by the input's bytes: refused, or what the gateway takes.
void answer(const Interactive& asked, ByteView input) {
  const auto byte = [&](std::size_t i) { return i < input.size() ? std::to_integer<std::size_t>(input[i]) : 0; };
  opaline::msp::Choice choices[] = {ListChoice{{{byte(0) % 4, byte(1) % 4}, {byte(2) % 4, byte(3) % 4}}},
                                    TimeChoice{byte(0) % 4}, QuickChoice{byte(0) % 8}, FormChoice{},
                                    AuthenticationChoice{AuthenticationStatus(byte(0) % 3), Text("t")}};
  if (const auto* form = std::get_if<Form>(&asked.kind)) {
    auto& answers = std::get<FormChoice>(choices[3]).answers;
    for (const FormPage& page : form->pages) {
      answers.push_back({.page = page.identifier, .text = {}, .items = {}});
      if (!page.items.empty()) answers.back().items.push_back(byte(0) % page.items.size());
      if (page.type == FormPageType::input) answers.back().text = Text("a");
    }
  }
  for (const opaline::msp::Choice& choice : choices) {
    const auto reply = make_reply(asked, choice);
    if (!reply) continue;
    const auto checked = check_reply(reply->json);
    check(checked && equal(*checked, reply->json));
    check(decode_payload(pack_payload(reply->json)).has_value());
  }
}

void interactive_from(ByteView input) {
  const auto asked = parse_interactive(input, *parse_uuid(kId), "/interactiveData");
  if (!asked) return check_problem(asked.error());
  const auto again = parse_interactive(asked->json, Uuid{});
  check(again && equal(again->json, asked->json) && again->kind.index() == asked->kind.index());
  answer(*asked, input.last(std::min<std::size_t>(input.size(), 4)));
}

void message_from(ByteView input) {
  const HeaderField headers[] = {{"id", kId}, {"source-id", kId}, {"destination-id", "urn:mbid:a"}};
  auto message = parse_message(headers, input);
  if (!message) return check_problem(message.error());
  if (auto* const text = std::get_if<TextMessage>(&message->content)) {
    // A business may say what a person may say.
    Inbound inbound{.id = message->headers.id,
                    .source = message->headers.destination,
                    .destination = message->headers.source,
                    .group = message->group,
                    .intent = message->intent,
                    .locale = message->locale,
                    .content = InboundText{text->body, std::move(text->attachments)}};
    check(write_webhook(inbound, {.capabilities = {}, .device_agent = {}, .gzip = false}).has_value());
  } else if (const auto* ref = std::get_if<DataRef>(&message->content)) {
    const auto written = write_data_ref(*ref);
    const auto back = parse_data_ref(written);
    check(back && equal(write_data_ref(*back), written));
  }
}

void reply_from(ByteView input) {
  const auto reply = check_reply(input);
  if (!reply) return check_problem(reply.error());
  const auto again = check_reply(*reply);
  check(again && equal(*again, *reply));
}

const TokenKey& key() {
  static const TokenKey out = *TokenKey::from_secret("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
  return out;
}
void token_from(ByteView input) {
  (void)claimed_issuer(as_text(input));
  // Nobody without the key makes a token.
  check(!verify_token(as_text(input), TokenUse::call_of_msp, "m", key(), {}, kNow).has_value());
}
/// Claims of somebody who has the key.
void claims_from(ByteView input) {
  std::string token = to_base64url(as_view(R"({"alg":"HS256"})")) + "." + to_base64url(input);
  token += "." + to_base64url(key().mac(token));
  const TokenRules rules{.max_age = seconds(3600)};
  const bool good = verify_token(token, TokenUse::call_of_msp, "m", key(), rules, kNow).has_value();
  check(!good || claimed_issuer(token).value() == "m");
  check(!good || verify_token(token, TokenUse::call_of_msp, "m", key(), {}, kNow).has_value());
}

void gzip_from(ByteView input) {
  constexpr std::size_t kMost = 65'536;
  const auto opened = gunzip(input, kMost);
  if (!opened) return check(opened.error() == Error::malformed || opened.error() == Error::oversized);
  check(opened->size() <= kMost);
  const auto again = gunzip(gzip(*opened), opened->size());
  check(again && equal(*again, *opened));
}

void payload_from(ByteView input) {
  const auto opened = decode_payload(input);
  if (opened) {
    const auto again = decode_payload(*opened);
    check(again && equal(*again, *opened));
  } else {
    check_problem(opened.error());
  }
  const auto packed = encode_payload(input, Uuid{});
  if (packed) {
    check(is_gzip(*packed));
  } else {
    check_problem(packed.error());
  }
  if (const auto construct = parse_construct(input); !construct) check_problem(construct.error());
}

void link_from(ByteView input) {
  const auto link = parse_entry_link(as_text(input));
  if (!link) return;
  const auto written = write_entry_link(*link);
  // Written in one way, a text that came unencoded can be longer than a link may be.
  if (!written) return check(written.error() == Error::oversized);
  check(parse_entry_link(*written) == link);
}

/// Headers: name, ':', value and a line feed each.
void headers_from(ByteView input) {
  std::vector<HeaderField> fields;
  std::string_view text = as_text(input);
  while (!text.empty() && fields.size() < 64) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    const std::size_t colon = std::min(line.find(':'), line.size());
    fields.push_back({line.substr(0, colon), line.substr(std::min(colon + 1, line.size()))});
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (const auto one = parse_message_headers(fields); !one) check_problem(one.error());
  if (const auto one = parse_pre_upload(fields); !one) check_problem(one.error());
  if (const auto one = parse_pre_download(fields); !one) check_problem(one.error());
  if (const auto one = parse_decode_payload(fields); !one) check_problem(one.error());
  if (const auto one = bearer_token(fields); !one) check_problem(one.error());
  const auto set = parse_capabilities(as_text(input));
  check(parse_capabilities(write_capabilities(set)) == set);
}

}  // namespace

void msp(ByteView bytes) {
  constexpr void (*kEntries[])(ByteView) = {message_from, interactive_from, reply_from, token_from,  claims_from,
                                            gzip_from,    payload_from,     link_from,  headers_from};
  const auto [what, input] = choose(bytes, std::size(kEntries));
  kEntries[what](input);
}

}  // namespace opaline::fuzz
