#pragma once
// The settings of a business (msp/settings.hpp) as the operator makes and changes them. The identity service keeps them
// sealed and the hosted gateway reads them. Of a business with its own gateway `webhook` and `msp` are not there: the
// service never has them.
#include <boost/json/object.hpp>
#include <string>

#include "base/random.hpp"
#include "base/result.hpp"

namespace opaline::server {

enum class GatewayKind : std::uint8_t { hosted, own };

/// `changes` has some of the fields, and of `msp` some, and takes them over into `present`, the settings that there are
/// (empty: none yet, then what is missing gets its default; a secret is made). The error is a sentence for the operator
/// that quotes no secret.
[[nodiscard]] Result<boost::json::object, std::string> change_settings(boost::json::object present,
                                                                       const boost::json::object& changes,
                                                                       GatewayKind kind, RandomSource& random);
/// 32 random bytes in base64.
[[nodiscard]] std::string make_msp_secret(RandomSource& random);

}  // namespace opaline::server
