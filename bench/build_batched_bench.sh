#!/bin/sh
# Build llama.cpp's own llama-batched-bench from the source distribution of the llama-cpp-python this
# project pins, so that both sides of bench/llama_backend.py run the same library version.
# Prints the path of the binary. Needs pip, tar, cmake and a C++ compiler; about five minutes on two cores.
set -eu

version="${LLAMA_CPP_PYTHON_VERSION:-0.3.36}"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/haloctl/batched-bench-$version"
binary="$cache/build/bin/llama-batched-bench"

if [ ! -x "$binary" ]; then
    mkdir -p "$cache"
    if [ -n "${LLAMA_CPP_PYTHON_SDIST:-}" ]; then
        cp "$LLAMA_CPP_PYTHON_SDIST" "$cache/"
    else
        "${PYTHON:-python3}" -m pip download --quiet --no-binary llama-cpp-python --no-deps \
            --dest "$cache" "llama-cpp-python==$version" >&2
    fi
    tar -xzf "$cache/llama_cpp_python-$version.tar.gz" -C "$cache"
    cmake -S "$cache/llama_cpp_python-$version/vendor/llama.cpp" -B "$cache/build" \
        -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DLLAMA_BUILD_TOOLS=ON \
        -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF \
        -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF >&2
    nice cmake --build "$cache/build" --target llama-batched-bench -j "${JOBS:-1}" >&2
fi
echo "$binary"
