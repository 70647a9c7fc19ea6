#pragma once
// The businesses' part of the administration API (docs/operations.md, "Businesses").
//   GET  /v1/admin/businesses
//   POST /v1/admin/businesses                     {"name", "website"?, "logo"? (base64), "own_gateway"?, "settings"?}
//                                                 -> 201 with the MSP secret, or the own gateway's enrolment: shown
//                                                 once
//   GET  /v1/admin/businesses/<uuid>              without the secret
//   POST /v1/admin/businesses/<uuid>              the same fields, those that change; another own_gateway
//                                                 has it move: -> the MSP secret or the enrolment, as above
//   POST /v1/admin/businesses/<uuid>/rotate-secret  {"secret"?}  -> the MSP secret, shown once
//   POST /v1/admin/businesses/<uuid>/enrol        for an own gateway: -> the enrolment, shown once, good for 24 hours
//   POST /v1/admin/businesses/<uuid>/remove
// For the hosted gateway, on the admin socket alone:
//   GET  /v1/admin/gateway                        all hosted businesses with their settings, secrets included
//   POST /v1/admin/gateway/enrol                  {"business": "<uuid>"} -> {"enrolment": "opaline-enrol-..."}
#include <functional>
#include <string>

#include "identity/service.hpp"
#include "operators/operators.hpp"

namespace opaline::server {

namespace internal {
struct AdminCall;
}

/// Control thread. Everything must outlive it.
class BusinessApi {
 public:
  /// `server_url` says where devices connect: https://name:port.
  BusinessApi(operators::Operators& operators, identity::Service& identity, RandomSource& random,
              std::function<std::string()> server_url)
      : operators_(operators), identity_(identity), random_(random), server_url_(std::move(server_url)) {}

  /// `path` is what follows /v1/admin/. False: not one of ours, and nothing has happened.
  [[nodiscard]] bool serve(internal::AdminCall& call, std::string_view path);

 private:
  using Call = internal::AdminCall;
  void list(Call& call);
  void create(Call& call);
  void one(Call& call, const AccountId& id, std::string_view action);
  void show(Call& call, const AccountId& id);
  void update(Call& call, const AccountId& id);
  void rotate_secret(Call& call, const AccountId& id);
  void enrol(Call& call, const AccountId& id);
  void remove(Call& call, const AccountId& id);
  void gateway(Call& call);
  void gateway_enrol(Call& call);

  [[nodiscard]] bool allowed(Call& call, operators::Permission permission, operators::Action action,
                             const std::string& object);
  /// Writes the entry of what is about to happen. False: it could not be written, and that was answered.
  [[nodiscard]] bool recorded(Call& call, operators::Action action, const std::string& object);
  /// Answers; and writes a second entry that says so.
  void failed(Call& call, operators::Action action, const std::string& object, const identity::CallFailure& failure);
  /// The business, or nullopt and it was answered.
  [[nodiscard]] std::optional<identity::Business> find(Call& call, const AccountId& id);

  operators::Operators& operators_;
  identity::Service& identity_;
  RandomSource& random_;
  std::function<std::string()> server_url_;
};

}  // namespace opaline::server
