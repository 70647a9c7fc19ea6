// Businesses, as operators make them, and how their gateways come in (docs/adr/0015-personas.md).
#include <algorithm>

#include "base/utf8.hpp"
#include "crypto/hash.hpp"
#include "identity/internal/state.hpp"

namespace opaline::identity {

using internal::bad_request;
using internal::BusinessRecord;
using internal::Changes;
using internal::Effects;
using internal::failure;
using internal::kFirstDevice;
using internal::not_found;

namespace {

constexpr std::string_view kEnrolmentPrefix = "opaline-enrol-";
constexpr std::string_view kVersionLabel = "opaline business row v1";

/// At most `limit` characters of UTF-8 without control characters.
bool is_line(std::string_view text, std::size_t limit) {
  std::size_t count = 0;
  return every_code_point(as_view(text), [&](char32_t c) { return !is_control(c) && ++count <= limit; });
}

/// RFC 1123 section 2.1, in lower case: labels of letters, digits and hyphens, two at least.
bool is_domain(std::string_view text) {
  if (text.size() > kMaxWebsiteBytes || text.find('.') == text.npos) return false;
  std::size_t label = 0;
  char before = '.';
  for (const char c : text) {
    if (c == '.') {
      if (label == 0 || before == '-') return false;
      label = 0;
    } else {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && label > 0);
      if (!plain || ++label > 63) return false;
    }
    before = c;
  }
  return label > 0 && before != '-';
}

bool starts_with(ByteView bytes, std::initializer_list<std::uint8_t> magic) {
  return bytes.size() >= magic.size() &&
         std::ranges::equal(bytes.first(magic.size()), magic,
                            [](std::byte a, std::uint8_t b) { return std::to_integer<std::uint8_t>(a) == b; });
}

Answer<void> check_business(const BusinessDetails& details, ByteView settings) {
  if (details.name.empty() || !is_line(details.name, kMaxBusinessNameCharacters))
    return bad_request("A business's name has 1 to 100 characters, and no control characters.");
  if (details.logo.size() > kMaxLogoBytes) return bad_request("A logo has at most 49152 bytes.");
  const bool png = starts_with(details.logo, {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'});
  const bool jpeg = starts_with(details.logo, {0xff, 0xd8, 0xff});
  const std::string_view type = png ? "image/png" : jpeg ? "image/jpeg" : "";
  if (details.logo_type != type || (!details.logo.empty() && type.empty()))
    return bad_request("A logo is a PNG or JPEG image.");
  if (!details.website.empty() && !is_domain(details.website))
    return bad_request("A website is a domain name in lower case, as shop.example.org.");
  if (details.away_text.size() > kMaxAwayTextBytes || !is_utf8(as_view(details.away_text)) ||
      details.away_text.find('\0') != std::string::npos)
    return bad_request("A text out of hours has at most 2048 bytes of UTF-8.");
  if (settings.size() > kMaxBusinessSettingsBytes) return bad_request("The settings are too large.");
  return {};
}

/// RFC 9562 section 5.4.
AccountId random_uuid(RandomSource& random) {
  ByteArray<AccountId::kSize> bytes = random.bytes<AccountId::kSize>();
  bytes[6] = (bytes[6] & std::byte{0x0f}) | std::byte{0x40};
  bytes[8] = (bytes[8] & std::byte{0x3f}) | std::byte{0x80};
  return AccountId(bytes);
}

Business to_business(const AccountId& id, BusinessRecord record, bool enrolled) {
  Business out{.id = id, .details = {}, .settings = {}, .enrolled = enrolled, .version = {}};
  Bytes row = internal::encode(record);
  const auto hash = crypto::sha256({as_view(kVersionLabel), row});
  wipe(row.data(), row.size());
  std::copy_n(hash.begin(), out.version.size(), out.version.begin());
  out.details = std::move(record.details);
  out.settings = std::move(record.settings);
  return out;
}

auto no_business() {
  return not_found("There is no such business.");
}

}  // namespace

std::string reveal_text(const BusinessEnrolment& enrolment) {
  Bytes bytes = to_bytes(enrolment.ticket);
  append(bytes, enrolment.business.view());
  append(bytes, enrolment.mailbox.view());
  std::string out = std::string(kEnrolmentPrefix) + to_base64url(bytes);
  wipe(bytes.data(), bytes.size());
  return out;
}

Answer<AccountId> Service::create_business(const BusinessDetails& details, ByteView settings) {
  State& s = *state_;
  OPALINE_CHECK(check_business(details, settings));
  if (s.businesses.size() >= kMaxBusinesses)
    return failure(calls::CALL_STATUS_FORBIDDEN, "There are as many businesses as there may be.");
  const AccountId id = random_uuid(s.ports.random);
  Changes changes = s.directory.changes();
  changes.put(id, BusinessRecord{.details = details, .settings = to_secret_bytes(settings)});
  OPALINE_CHECK(s.write(std::move(changes)));
  s.businesses.insert(id);
  return id;
}

Answer<Business> Service::business(const AccountId& id) {
  State& s = *state_;
  OPALINE_TRY(auto row, s.read(s.directory.business(id)));
  if (!row) return no_business();
  OPALINE_TRY(const auto account, s.read(s.directory.account(id)));
  auto out = to_business(id, std::move(*row), account.has_value());
  if (const auto* move = s.enrolments.move_of(id, s.ports.clock.monotonic())) out.move = *move;
  return out;
}

Answer<std::vector<Business>> Service::businesses() {
  std::vector<AccountId> ids(state_->businesses.begin(), state_->businesses.end());
  std::ranges::sort(ids);
  std::vector<Business> out;
  for (const AccountId& id : ids) {
    OPALINE_TRY(out.emplace_back(), business(id));
  }
  return out;
}

Answer<calls::Empty> Service::update_business(const AccountId& id, const BusinessDetails& details, ByteView settings) {
  State& s = *state_;
  OPALINE_CHECK(check_business(details, settings));
  if (!s.businesses.contains(id)) return no_business();
  Changes changes = s.directory.changes();
  changes.put(id, BusinessRecord{.details = details, .settings = to_secret_bytes(settings)});
  OPALINE_CHECK(s.write(std::move(changes)));
  return calls::Empty();
}

Answer<calls::Empty> Service::remove_business(const AccountId& id) {
  State& s = *state_;
  const Time now = s.ports.clock.now();
  if (!s.businesses.contains(id)) return no_business();
  OPALINE_TRY(const auto account, s.load(id));
  Changes changes = s.directory.changes();
  Effects effects;
  changes.erase_business(id);
  if (account) s.erase_rows(changes, effects, *account, now);
  OPALINE_CHECK(s.commit(std::move(changes), std::move(effects), now));
  s.businesses.erase(id);
  s.enrolments.forget(id);
  s.sweep_after.emplace();
  return calls::Empty();
}

// ---------------------------------------------------------------- gateways

Answer<BusinessEnrolment> Service::enrol_business(const AccountId& id, std::optional<BusinessMove> move) {
  State& s = *state_;
  if (!s.businesses.contains(id)) return no_business();
  if (move && move->settings.size() > kMaxBusinessSettingsBytes) return bad_request("The settings are too large.");
  return s.enrolments.start(id, s.ports.clock.monotonic(), std::move(move));
}

void Service::cancel_move(const AccountId& id) {
  if (state_->enrolments.move_of(id, state_->ports.clock.monotonic()) != nullptr) state_->enrolments.forget(id);
}

Answer<calls::CompleteReply> Service::State::complete_enrolment(internal::Enrolment& ticket,
                                                                const calls::CompleteRequest& request, Time now) {
  calls::CompleteReply reply;
  reply.set_server_time_ms(static_cast<std::uint64_t>(unix_millis(now)));
  const auto hash = internal::hash_of(request);
  if (ticket.completed) {
    if (*ticket.completed == hash) return reply;
    return failure(calls::CALL_STATUS_CONFLICT, "This enrolment was completed with other keys.");
  }
  if (ticket.attempts_left == 0) return internal::expired();
  --ticket.attempts_left;
  OPALINE_TRY(const auto created, internal::check_first_device({ticket.business, ticket.mailbox},
                                                               as_view(request.device_list()), request.prekeys(), now));
  OPALINE_TRY(const auto before, load(ticket.business));
  Changes changes = directory.changes();
  Effects effects;
  if (before && equal(before->record.device_list, created.list.bytes())) {
    OPALINE_CHECK(settle(now));  // an earlier attempt whose outcome was unknown was stored after all
  } else {
    if (before) erase_rows(changes, effects, *before, now);
    internal::AccountRecord record;
    record.device_list = created.list.bytes();
    record.kind = AccountKind::business;
    changes.put(ticket.business, record);
    put_first_device(changes, ticket.business, created, request.web(), std::nullopt);
    if (ticket.move) {
      OPALINE_TRY(auto business, read(directory.business(ticket.business)));
      if (!business) return no_business();
      business->details.own_gateway = ticket.move->own_gateway;
      business->settings = ticket.move->settings;
      changes.put(ticket.business, *business);
    }
    OPALINE_CHECK(commit(std::move(changes), std::move(effects), now));
  }
  ticket.completed = hash;
  ticket.move.reset();
  ++counters.businesses_enrolled;
  return reply;
}

}  // namespace opaline::identity
