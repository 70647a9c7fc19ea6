#pragma once
// Byte layouts of the history: attachments as they lie in the store, and pages of entries that one device of a person
// gives to another (docs/endpoint.md, "The account's other devices"). Both are versioned; readers check everything, as
// a page may come from a device that is damaged or of another version.
#include <optional>
#include <vector>

#include "client/history.hpp"

namespace opaline::client {

/// u8 version (1), u8 count, then each: blob[32], key[32], sha256[32], u64 size, u8 name length, name, u8 type length,
/// type, u8 release length (0 or 32), release. Secret: keys are in it.
[[nodiscard]] SecretBytes encode_attachments(const std::vector<endpoint::Attachment>& attachments);
/// nullopt: not exactly what encode_attachments makes of attachments within the limits of wire/contents.hpp.
[[nodiscard]] std::optional<std::vector<endpoint::Attachment>> decode_attachments(ByteView bytes);

/// Exactly how many bytes an entry takes in a page, from its text's size, that of its encoded attachments, and that of
/// its part.
[[nodiscard]] std::size_t page_entry_bytes(std::size_t text_bytes, std::size_t attachments_bytes,
                                           std::size_t part_bytes);
inline constexpr std::size_t kPageHeadBytes = 1;

/// u8 version (1), then entries, incoming and outgoing ones: u8 kind, peer[16], message[16], u32 device that wrote it,
/// u64 sent_at, u64 placed, u64 at, u8 state, u8 reason, u8 flags (1 late, 2 shown, 4 of a kind that its reader did not
/// know, 8 with a part), u32 text length, text, u32 attachments length, attachments; with a part u32 its length, part.
/// Release tokens are left out: each is for one device alone.
class PageWriter {
 public:
  PageWriter();
  /// `own`: the device that writes, for entries of its own. Precondition: no notice.
  void add(const Entry& entry, DeviceNumber own);
  /// The page; empty if nothing was added.
  [[nodiscard]] SecretBytes take();

 private:
  SecretBytes out_;
};

/// nullopt: damaged, or of another version: nothing of it is to be used. Texts are UTF-8 within their limits. `id` and
/// `notice` are not set; `device` of an outgoing entry is the device that wrote it, never 0.
[[nodiscard]] std::optional<std::vector<Entry>> decode_page(ByteView page);

}  // namespace opaline::client
