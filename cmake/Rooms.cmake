# One CMake target a room. opaline_room(NAME [NO_EXCEPTIONS] SOURCES ... LINKS opaline::<room below> opaline_dep::<library> ...)
# opaline_tests(NAME SOURCES ... LINKS ...): one test program <name>_test that ctest runs.
include(GNUInstallDirs)

add_library(opaline_flags INTERFACE)
target_compile_options(opaline_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wextra-semi -Wimplicit-fallthrough -Wthread-safety -Wunused
  $<$<COMPILE_LANGUAGE:CXX>:-Wold-style-cast -Woverloaded-virtual>
  $<$<BOOL:${OPALINE_WERROR}>:-Werror>
  -fno-omit-frame-pointer -fstack-protector-strong)
target_compile_options(opaline_flags INTERFACE $<$<CONFIG:Release>:-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2>)
target_link_options(opaline_flags INTERFACE -Wl,-z,relro,-z,now)
if(OPALINE_SANITIZE)
  add_compile_options(-fsanitize=${OPALINE_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${OPALINE_SANITIZE})
  if(OPALINE_FUZZERS)
    add_compile_options(-fsanitize=fuzzer-no-link)
  endif()
else()
  add_link_options(-pie)
endif()
add_link_options(-fuse-ld=lld)

function(opaline_room)
  cmake_parse_arguments(ROOM "NO_EXCEPTIONS" "NAME" "SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
  add_library(opaline_${ROOM_NAME} STATIC ${ROOM_SOURCES})
  add_library(opaline::${ROOM_NAME} ALIAS opaline_${ROOM_NAME})
  target_include_directories(opaline_${ROOM_NAME} PUBLIC ${CMAKE_SOURCE_DIR}/src ${CMAKE_BINARY_DIR}/generated)
  target_link_libraries(opaline_${ROOM_NAME} PUBLIC ${ROOM_LINKS} PRIVATE opaline_flags ${ROOM_PRIVATE_LINKS})
  if(ROOM_NO_EXCEPTIONS)
    target_compile_options(opaline_${ROOM_NAME} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions>)
  endif()
endfunction()

function(opaline_tests)
  cmake_parse_arguments(T "" "NAME;TIMEOUT" "SOURCES;LINKS;LABELS" ${ARGN})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 1800) # a hang, not a slow machine
  endif()
  add_executable(${T_NAME}_test ${T_SOURCES} ${CMAKE_SOURCE_DIR}/tests/support/test_main.cpp)
  target_link_libraries(${T_NAME}_test PRIVATE opaline_flags ${T_LINKS} opaline_dep::gtest opaline_dep::rapidcheck)
  target_include_directories(${T_NAME}_test PRIVATE ${CMAKE_SOURCE_DIR}/tests ${CMAKE_SOURCE_DIR})
  target_compile_definitions(${T_NAME}_test PRIVATE OPALINE_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  add_test(NAME ${T_NAME} COMMAND ${T_NAME}_test)
  set_tests_properties(${T_NAME} PROPERTIES TIMEOUT ${T_TIMEOUT} LABELS "${T_LABELS}")
endfunction()
