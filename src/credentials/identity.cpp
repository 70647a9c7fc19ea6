#include "credentials/identity.hpp"

#include "credentials/labels.hpp"
#include "crypto/hash.hpp"

namespace opaline::credentials {

IdentityHash DevicePublicKeys::hash() const {
  return IdentityHash(crypto::sha256({as_view(kDeviceIdentityLabel), signing.view(), agreement.view()}));
}

}  // namespace opaline::credentials
