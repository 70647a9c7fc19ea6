#include "server/routes.hpp"

#include <gtest/gtest.h>

namespace opaline::server {
namespace {

TEST(Routes, APatternFitsWholePathsAlone) {
  EXPECT_TRUE(fits("/v1/a", "/v1/a"));
  EXPECT_TRUE(fits("/v1/*", "/v1/a"));
  EXPECT_TRUE(fits("/v1/*/b/*", "/v1/a/b/c"));
  for (const auto* path : {"", "/", "/v1", "/v1/", "/v1//b/c", "/v1/a/b", "/v1/a/b/", "/v1/a/b/c/", "/v1/a/b/c/d",
                           "/v1/a/x/c", "v1/a/b/c", "//v1/a/b/c"})
    EXPECT_FALSE(fits("/v1/*/b/*", path)) << path;
  EXPECT_FALSE(fits("/v1/a", "/v1/a/"));
  EXPECT_FALSE(fits("/v1/a", "/v1/A"));
}

TEST(Routes, MethodsAndPaths) {
  EXPECT_TRUE(is_route(kOperatorRoutes, "POST", "/v1/records/cases/2026-0001/approve"));
  EXPECT_FALSE(is_route(kOperatorRoutes, "GET", "/v1/records/cases/2026-0001/approve"));
  EXPECT_TRUE(is_path(kOperatorRoutes, "/v1/records/cases/2026-0001/approve"));
  EXPECT_FALSE(is_path(kOperatorRoutes, "/v1/records/log"));
}

}  // namespace
}  // namespace opaline::server
