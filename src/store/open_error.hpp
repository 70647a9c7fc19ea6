#pragma once
#include <string>

namespace opaline::store {

/// Why a store or vault could not be opened, for the operator: what is wrong with which path, and what to do. No
/// secrets.
struct OpenError {
  std::string message;
};

}  // namespace opaline::store
