#pragma once
// Legal requests as the directory tells people of them: the directory is opened before the cases.
#include "records/cases.hpp"

namespace opaline::server {

/// Control thread. Borrows the place where the cases will be.
class CaseNotices final : public identity::LegalNotices {
 public:
  explicit CaseNotices(const std::unique_ptr<records::Cases>& cases) : cases_(cases) {}
  std::optional<std::vector<identity::LegalNotice>> of(std::span<const identity::HeldHandle> handles) override {
    if (!cases_) return std::nullopt;
    auto found = cases_->notices(handles);
    if (!found) return std::nullopt;
    return std::move(*found);
  }

 private:
  const std::unique_ptr<records::Cases>& cases_;
};

}  // namespace opaline::server
