# pgherald_embed(name file...): a library pgherald_embedded_<name> that holds the files' text.
# Use: #include "embedded/<name>.hpp", then embedded::<name>() lists {file name, text}.
function(pgherald_embed name)
  set(dir ${CMAKE_BINARY_DIR}/embedded/${name})
  set(header ${dir}/embedded/${name}.hpp)
  set(source ${dir}/${name}.cpp)
  file(CONFIGURE OUTPUT ${header} @ONLY CONTENT [[
#pragma once
#include <span>
#include <string_view>
namespace embedded {
struct @name@_file {
    std::string_view name;
    std::string_view text;
};
/// The embedded files, sorted by name. Lifetime: the program's.
std::span<const @name@_file> @name@();
} // namespace embedded
]])
  list(SORT ARGN)
  add_custom_command(
    OUTPUT ${source}
    COMMAND ${CMAKE_COMMAND} -DNAME=${name} "-DFILES=${ARGN}" -DOUTPUT=${source}
            -P ${CMAKE_CURRENT_SOURCE_DIR}/embed_files.cmake
    DEPENDS ${ARGN} ${CMAKE_CURRENT_SOURCE_DIR}/embed_files.cmake
    VERBATIM)
  add_library(pgherald_embedded_${name} STATIC ${source})
  target_link_libraries(pgherald_embedded_${name} PRIVATE pgherald_options)
  target_include_directories(pgherald_embedded_${name} PUBLIC ${dir})
endfunction()
