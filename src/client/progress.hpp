#pragma once
// What a linking or a recovery that was begun in this home must not forget: a program that is started again goes on
// from it, or knows that it may start over. And other single values.
#include "client/home.hpp"
#include "endpoint/endpoint_store.hpp"

namespace opaline::client {

/// Sealed values by name, each written on its own.
class Progress {
 public:
  Progress(const LocalStore& store, RandomSource& random) : store_(store), random_(random) {}
  /// nullopt: there is none. store_failed, store_damaged.
  [[nodiscard]] Result<std::optional<SecretBytes>, ClientError> get(std::string_view name) const;
  [[nodiscard]] Result<void, ClientError> put(std::string_view name, ByteView value) const;
  [[nodiscard]] Result<void, ClientError> erase(std::string_view name) const;

 private:
  const LocalStore& store_;
  RandomSource& random_;
};

}  // namespace opaline::client
