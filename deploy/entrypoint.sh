#!/bin/sh
# Starts misweeper in a container. Numba refuses a cache that it cannot write to, and the image's root is read-only, so
# it gets a copy of the one that the image brings.
set -eu
if [ ! -d "$NUMBA_CACHE_DIR" ]; then
  rm -rf "$NUMBA_CACHE_DIR.new"
  cp -R "$NUMBA_BUILT_DIR" "$NUMBA_CACHE_DIR.new"
  mv "$NUMBA_CACHE_DIR.new" "$NUMBA_CACHE_DIR"  # whole, or not there
fi
exec misweeper "$@"
