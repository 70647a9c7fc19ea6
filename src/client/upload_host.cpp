#include <algorithm>

#include "client/uploads.hpp"
#include "proto/device.pb.h"

namespace opaline::client {

std::vector<session::DeviceAddress> ClientUploadHost::recipients(const AccountId& peer) {
  return client_.device().recipients(peer);
}

bool ClientUploadHost::refresh(const AccountId& peer) {
  return client_.change([&](endpoint::Endpoint& device) { device.refresh_peer(peer); }).has_value();
}

void ClientUploadHost::create(ByteView request, Done<Bytes> done) {
  client_.call(wire::v1::METHOD_BLOB_CREATE, request, std::move(done));
}

Result<MessageId, Failure> ClientUploadHost::queue(const Upload& upload,
                                                   std::function<Result<void, DatabaseError>(const Database&)> also) {
  std::vector<endpoint::Attachment> attachments;
  for (const UploadFile& file : upload.files) attachments.push_back(file.attachment);
  return client_.send_files(upload.peer, upload.text, std::move(attachments), std::move(also));
}

void Uploads::clear_up() {
  const auto folder = home_folder(home_, "outgoing");
  if (!folder) return;
  remove_leftovers(*folder, [this](std::string_view name) {
    const auto all = transfers_.uploads();
    if (!all) return true;
    return std::ranges::any_of(*all, [name](const Upload& upload) {
      return std::ranges::find(upload.files, name, &UploadFile::spool) != upload.files.end();
    });
  });
}

}  // namespace opaline::client
