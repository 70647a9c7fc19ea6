#include <gmock/gmock.h>

// Every test program: GoogleTest with GoogleMock. Random tests take their seed from --gtest_random_seed or print their
// own.
int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
