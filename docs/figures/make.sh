#!/bin/sh
# Draws the figures of this folder again: the portrait always, the supplement's where an argument names FERPlus (these are not for publication).
set -eu
cd "$(dirname "$0")/../.."
PATH="$PWD/.venv/bin:$PATH"
portrait=$(mktemp -d)
trap 'rm -r "$portrait"' EXIT
python -c "import sys; from PIL import Image; from skimage import data; Image.fromarray(data.astronaut()).save(sys.argv[1])" "$portrait/portrait.png"
unturned figure "$portrait/portrait.png" -o docs/figures/portrait.png
if [ $# -gt 0 ]; then
    unturned figure --supplement --data "$1" --out build/supplement
fi
