#include "identity/dispatcher.hpp"
#include "identity/limits.hpp"
