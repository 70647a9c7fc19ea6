#pragma once
// A QR code (ISO/IEC 18004) drawn with half-block characters.
#include <string>

#include "base/secret.hpp"

namespace opaline::cli {

/// Lines of a QR code with its quiet zone, dark on light whatever the terminal's colours are if `colours`, else light
/// as drawn (for a dark background). Empty if it cannot be made: the text is there too.
[[nodiscard]] std::string qr_code(const SecretBytes& text, bool colours);

}  // namespace opaline::cli
