#include "records/officer_client.hpp"

#include "records/canonical.hpp"

namespace opaline::records {

namespace json = boost::json;

namespace {

std::optional<json::object> object_from(std::string_view body) {
  boost::system::error_code error;
  auto value = json::parse(body, error);
  if (error || !value.is_object()) return std::nullopt;
  return std::move(value.get_object());
}

}  // namespace

std::string registration_body(std::string_view service, std::string_view officer, const OfficerKey& key,
                              RandomSource& random) {
  const auto text = registration_text(service, officer, key.public_key());
  const auto signature = key.sign(kOfficerKeyLabel, as_view(text), random);
  return canonical_own(
      json::object{{"key", to_base64url(encode(key.public_key()))}, {"signature", to_base64url(signature.view())}});
}

Result<Seen, std::string> preview_from(std::string_view body, const CaseId& id, std::string_view service) {
  const auto wrong = [](const char* why) { return fail(std::string(why)); };
  const auto object = object_from(body);
  const auto* facts = object ? object_of(*object, "facts") : nullptr;
  const auto* counts = object ? array_of(*object, "counts") : nullptr;
  const auto revision = object ? number_of(*object, "revision") : std::nullopt;
  auto read = facts ? facts_from(*facts) : fail(std::string());
  auto numbers = counts ? counts_from(*counts) : std::nullopt;
  if (!read || !numbers || !revision || *revision > UINT32_MAX) return wrong("the service's answer is no preview");
  if (text_of(*object, "case") != to_text(id)) return wrong("the service answered with another case");
  if (text_of(*object, "service") != service) return wrong("this is another service than the one that you know");
  const auto number = static_cast<std::uint32_t>(*revision);
  const auto own = digest(id, number, *read);
  if (text_of(*object, "facts_sha256") != own.hex())
    return wrong("the facts do not have the digest that belongs to them");
  ApprovalSubject subject{std::string(service), id, number, own, std::move(*numbers)};
  return Seen{std::move(subject), std::move(*read)};
}

std::string approval_body(const ApprovalSubject& subject, const OfficerKey& key, RandomSource& random) {
  const auto signature = key.sign(kApprovalLabel, as_view(signed_text(subject)), random);
  return canonical_own(json::object{{"counts", to_json(subject.counts)},
                                    {"facts_sha256", subject.facts.hex()},
                                    {"revision", subject.revision},
                                    {"signature", to_base64url(signature.view())}});
}

std::optional<Offered> offered_from(std::string_view body) {
  const auto object = object_from(body);
  if (!object) return std::nullopt;
  const auto pieces = number_of(*object, "pieces");
  const auto hash = text_of(*object, "bundle_sha256");
  const auto bytes = hash ? from_hex(*hash) : std::nullopt;
  const auto* ledger = object_of(*object, "ledger");
  auto part = ledger ? ledger_part_from(*ledger) : std::nullopt;
  if (!pieces || *pieces > kMaxBundlePieces || !bytes || bytes->size() != 32 || !part) return std::nullopt;
  return Offered{static_cast<std::uint32_t>(*pieces), to_array<32>(*bytes), std::move(*part)};
}

Result<std::vector<File>, std::string> open_production(const std::vector<Bytes>& pieces, const Offered& offered,
                                                       const OfficerKey& key) {
  Bundle bundle{pieces};
  if (bundle.digest() != offered.bundle_sha256) return fail(std::string("the pieces are not those that were sealed"));
  auto files = open_bundle(bundle.pieces, key);
  if (!files)
    return fail(
        std::string("this production is not sealed to this key: only the two officers who approved it can open it"));
  auto out = complete(std::move(*files), offered.ledger);
  if (!out) return fail(std::string("what was sealed is no production"));
  return std::move(*out);
}

}  // namespace opaline::records
