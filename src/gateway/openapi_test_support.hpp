#pragma once
// Answers of the API held against docs/openapi.json.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>

#include "gateway/api.hpp"

namespace opaline::gateway::testing {

namespace json = boost::json;

inline const json::value& openapi() {
  static const json::value out = [] {
    std::ifstream in(OPALINE_SOURCE_DIR "/docs/openapi.json");
    return json::parse(std::string(std::istreambuf_iterator<char>(in), {}));
  }();
  return out;
}

/// One operation of the document.
struct Operation {
  std::string method, path;  ///< "POST", "/v1/message"; {names} in the path stand for one segment each
  const json::object* responses = nullptr;
};

inline const std::vector<Operation>& operations() {
  static const std::vector<Operation> all = [] {
    std::vector<Operation> out;
    for (const auto& path : openapi().at("paths").as_object()) {
      for (const auto& operation : path.value().as_object()) {
        std::string method(operation.key());
        std::ranges::transform(method, method.begin(), [](char c) { return static_cast<char>(std::toupper(c)); });
        out.push_back({std::move(method), std::string(path.key()), &operation.value().at("responses").as_object()});
      }
    }
    return out;
  }();
  return all;
}

/// The operation of this path, whatever the method is; nullptr: the document has none.
inline const Operation* operation_at(std::string_view target) {
  const auto asked = segments_of(target.substr(0, target.find('?')));
  for (const Operation& one : operations()) {
    const auto named = segments_of(one.path);
    if (std::ranges::equal(asked, named, [](auto a, auto n) { return n.starts_with('{') || a == n; })) return &one;
  }
  return nullptr;
}

inline const json::value& resolved(const json::value& node) {
  const auto* const object = node.if_object();
  const auto* const ref = object == nullptr ? nullptr : object->if_contains("$ref");
  return ref == nullptr ? node : resolved(openapi().at_pointer(std::string_view(ref->as_string()).substr(1)));
}

inline bool is_of_type(const json::value& value, std::string_view type) {
  return (type == "object" && value.is_object()) || (type == "array" && value.is_array()) ||
         (type == "string" && value.is_string()) || (type == "boolean" && value.is_bool()) ||
         (type == "integer" && (value.is_int64() || value.is_uint64())) || (type == "number" && value.is_number());
}

/// What of `value` the schema does not allow; "": nothing. Of JSON Schema what this document uses in answers; a member
/// that is not named is wrong unless `additionalProperties` is true.
inline std::string against_schema(const json::value& value, const json::value& written) {
  const json::object& schema = resolved(written).as_object();
  const auto* const type = schema.if_contains("type");
  if (type != nullptr && !is_of_type(value, type->as_string())) return "is no " + json::serialize(*type);
  if (const auto* const any = schema.if_contains("anyOf")) {
    const auto fits = [&](const json::value& one) { return against_schema(value, one).empty(); };
    if (std::ranges::none_of(any->as_array(), fits)) return "is none of anyOf";
  }
  if (const auto* const all = schema.if_contains("enum")) {
    if (std::ranges::find(all->as_array(), value) == all->as_array().end()) return "is not in the enum";
  }
  if (const auto* const items = schema.if_contains("items"); items != nullptr && value.is_array()) {
    for (const auto& one : value.get_array())
      if (const auto wrong = against_schema(one, *items); !wrong.empty()) return "[]: " + wrong;
  }
  if (!value.is_object()) return {};
  if (const auto* const required = schema.if_contains("required")) {
    for (const auto& name : required->as_array())
      if (!value.get_object().contains(name.as_string())) return "has no " + json::serialize(name);
  }
  const auto* const properties = schema.if_contains("properties");
  if (properties == nullptr) return {};
  const auto* const more = schema.if_contains("additionalProperties");
  for (const auto& member : value.get_object()) {
    const auto* const named = properties->as_object().if_contains(member.key());
    if (named == nullptr && (more == nullptr || *more != true)) return "has a member " + std::string(member.key());
    const auto wrong = named == nullptr ? std::string() : against_schema(member.value(), *named);
    if (!wrong.empty()) return std::string(member.key()) + ": " + wrong;
  }
  return {};
}

/// The answer is one that the document names: its status, its content type, its body. A path that is not in it is
/// answered as one that is not there.
inline void expect_named(std::string_view method, std::string_view target, const net::HttpResponse& answer) {
  const std::string where = std::string(method) + " " + std::string(target) + " " + std::to_string(answer.status);
  const Operation* const operation = operation_at(target);
  const json::value* response = nullptr;
  if (operation != nullptr && operation->method == method)
    response = operation->responses->if_contains(std::to_string(answer.status));
  if (response == nullptr) {  // of the listener, or of a path that is not there
    const auto& listener = openapi().at_pointer("/components/responses/Listener");
    const auto& statuses = listener.at("x-statuses").as_array();
    const bool named = std::ranges::find(statuses, json::value(answer.status)) != statuses.end();
    if (named || (operation == nullptr && answer.status == 404)) response = &listener;
  }
  ASSERT_NE(response, nullptr) << where << " is not in openapi.json";
  const auto* const content = resolved(*response).as_object().if_contains("content");
  if (content == nullptr || answer.body.empty()) return;
  const auto type = answer.header("Content-Type");
  const auto* const body = type ? content->as_object().if_contains(*type) : nullptr;
  ASSERT_NE(body, nullptr) << where << " as " << type.value_or("nothing");
  if (*type != "application/json") return;
  EXPECT_EQ(against_schema(json::parse(as_text(answer.body)), body->at("schema")), "") << where << as_text(answer.body);
}

}  // namespace opaline::gateway::testing
