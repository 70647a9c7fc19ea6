#pragma once
// A text with its files, as one device gets it: each device has release tokens of its own (docs/protocol.md,
// "Attachments").
#include "endpoint/endpoint_store.hpp"
#include "session/attachment.hpp"
#include "session/link.hpp"
#include "wire/contents.hpp"

namespace opaline::endpoint::internal {

// Two rooms that do not know each other say the same.
static_assert(wire::kMaxAttachmentBytes == session::kMaxAttachmentBytes);
static_assert(wire::kMaxDeviceNameBytes == session::kMaxDeviceNameBytes);
static_assert(wire::kMaxHandleBytes == session::kMaxLinkHandleBytes);
static_assert(wire::kAttachmentPartBytes == session::ReleaseSecret::kSize);
static_assert(wire::kAttachmentPartBytes == session::ReleaseToken::kSize);

class TextForDevice {
 public:
  /// `body` is of a message that this device sends.
  TextForDevice(MessageBody body, const session::DeviceAddress& device) : body_(std::move(body)) {
    for (std::size_t i = 0; i < count(); ++i) {
      const session::ReleaseSecret secret{
          FixedView<session::ReleaseSecret::kSize>(ByteView(body_.attachments[i].release))};
      tokens_[i] = session::release_token(secret, device);
    }
  }
  TextForDevice(const TextForDevice&) = delete;
  TextForDevice& operator=(const TextForDevice&) = delete;

  /// Borrows from this object and `handle`.
  [[nodiscard]] wire::Text view(ByteView handle) const {
    wire::Text out;
    out.utf8 = body_.text;
    out.sender_handle = handle;
    for (std::size_t i = 0; i < count(); ++i) {
      const Attachment& a = body_.attachments[i];
      out.attachments[i] = {.blob = a.blob.view(),
                            .key = a.key,
                            .sha256 = a.sha256,
                            .size_bytes = a.size_bytes,
                            .name = as_view(a.name),
                            .type = as_view(a.type),
                            .release = tokens_[i].reveal()};
    }
    out.attachment_count = count();
    out.part = body_.part;
    return out;
  }

 private:
  [[nodiscard]] std::size_t count() const { return std::min(body_.attachments.size(), wire::kMaxAttachments); }
  MessageBody body_;
  std::array<session::ReleaseToken, wire::kMaxAttachments> tokens_{};
};

/// What came, to be kept.
[[nodiscard]] inline MessageBody to_body(const wire::Text& text) {
  MessageBody out{to_secret_bytes(text.utf8), {}, to_secret_bytes(text.part)};
  for (std::size_t i = 0; i < text.attachment_count; ++i) {
    const wire::Attachment& a = text.attachments[i];
    out.attachments.push_back({.blob = *BlobId::from(a.blob),
                               .key = to_secret_bytes(a.key),
                               .sha256 = to_array<32>(a.sha256),
                               .size_bytes = a.size_bytes,
                               .name = to_string(a.name),
                               .type = to_string(a.type),
                               .release = to_secret_bytes(a.release)});
  }
  return out;
}

}  // namespace opaline::endpoint::internal
