#!/bin/sh
# Build one of llama.cpp's own programs from the source distribution of the llama-cpp-python this project
# pins, so that whatever is compared with it runs the same library version:
#
#     sh bench/build_llama_tool.sh [llama-batched-bench | llama-completion | llama-cli | llama-server]
#
# Prints the path of the binary. Needs pip, tar, cmake and a C++ compiler; about five minutes on two cores for
# the first of them, seconds for llama-completion after it. llama-cli and llama-server share a library of their
# own and take a quarter of an hour more.
set -eu

tool="${1:-llama-batched-bench}"
case "$tool" in
    llama-batched-bench | llama-completion) server=OFF ;;
    llama-cli | llama-server) server=ON ;;
    *) echo "$0: no such program: $tool" >&2; exit 2 ;;
esac
version="${LLAMA_CPP_PYTHON_VERSION:-0.3.36}"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/haloctl/llama.cpp-$version"
binary="$cache/build/bin/$tool"

if [ ! -x "$binary" ]; then
    mkdir -p "$cache"
    if [ ! -d "$cache/llama_cpp_python-$version" ]; then
        if [ -n "${LLAMA_CPP_PYTHON_SDIST:-}" ]; then
            cp "$LLAMA_CPP_PYTHON_SDIST" "$cache/"
        else
            "${PYTHON:-python3}" -m pip download --quiet --no-binary llama-cpp-python --no-deps \
                --dest "$cache" "llama-cpp-python==$version" >&2
        fi
        # Unpacked whole or not at all: a second call takes what lies here.
        rm -rf "$cache/unpacked"
        mkdir "$cache/unpacked"
        tar -xzf "$cache/llama_cpp_python-$version.tar.gz" -C "$cache/unpacked"
        mv "$cache/unpacked/llama_cpp_python-$version" "$cache/"
    fi
    # The server's web page would be downloaded; nothing here shows it.
    cmake -S "$cache/llama_cpp_python-$version/vendor/llama.cpp" -B "$cache/build" \
        -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DLLAMA_BUILD_TOOLS=ON \
        -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=$server \
        -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF >&2
    nice cmake --build "$cache/build" --target "$tool" -j "${JOBS:-1}" >&2
fi
echo "$binary"
