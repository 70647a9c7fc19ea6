#include "apps/opaline/qr.hpp"

#include <qrencode.h>

#include <memory>

namespace opaline::cli {
namespace {

constexpr int kQuiet = 4;  // modules of light around it: section 6.3.8

struct Free {
  void operator()(QRcode* code) const {
    // libqrencode frees without wiping, and a code holds a secret.
    wipe(code->data, static_cast<std::size_t>(code->width) * static_cast<std::size_t>(code->width));
    QRcode_free(code);
  }
};

}  // namespace

std::string qr_code(const SecretBytes& text, bool colours) {
  const std::unique_ptr<QRcode, Free> code(QRcode_encodeData(
      static_cast<int>(text.size()), reinterpret_cast<const unsigned char*>(text.data()), 0, QR_ECLEVEL_L));
  if (code == nullptr) return {};
  const auto light = [&](int x, int y) {
    if (x < 0 || y < 0 || x >= code->width || y >= code->width) return true;
    return (code->data[y * code->width + x] & 1) == 0;
  };
  std::string out;
  for (int y = -kQuiet; y < code->width + kQuiet; y += 2) {  // two modules in one character
    if (colours) out += "\x1b[38;5;231;48;5;16m";
    for (int x = -kQuiet; x < code->width + kQuiet; ++x) {
      const bool upper = light(x, y), lower = light(x, y + 1);
      out += upper && lower ? "\u2588" : upper ? "\u2580" : lower ? "\u2584" : " ";
    }
    if (colours) out += "\x1b[0m";
    out += '\n';
  }
  return out;
}

}  // namespace opaline::cli
