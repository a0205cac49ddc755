# pgherald_sabotaged(NAME FILE LINE REPLACEMENT): the daemon with one line of one source replaced,
# as the executable pgherald_sabotaged_NAME. The changed file's object is linked before the room's
# library, which then has nothing left to give for it. A line that isn't found exactly once ends
# the configuration: whoever moves it must say where the sabotage goes now.
function(pgherald_sabotaged name file line replacement)
  set(original ${CMAKE_SOURCE_DIR}/src/${file})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${original})
  file(READ ${original} text)
  string(FIND "${text}" "\n${line}\n" first)
  string(FIND "${text}" "\n${line}\n" last REVERSE)
  if(first EQUAL -1 OR NOT first EQUAL last)
    message(FATAL_ERROR
      "tests/chaos: src/${file} must have this line exactly once, to sabotage it:\n${line}")
  endif()
  string(REPLACE "\n${line}\n" "\n${replacement}\n" text "${text}")
  get_filename_component(base ${file} NAME)
  set(changed ${CMAKE_CURRENT_BINARY_DIR}/sabotaged_${name}/${base})
  file(WRITE ${changed}.new "${text}")
  file(COPY_FILE ${changed}.new ${changed} ONLY_IF_DIFFERENT)

  set(target pgherald_sabotaged_${name})
  add_executable(${target} ${changed} $<TARGET_OBJECTS:pgherald>)
  target_link_libraries(${target} PRIVATE pgherald_app)
endfunction()
