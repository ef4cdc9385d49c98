#!/bin/sh
# Makes the two fonts of this folder anew: DejaVu 2.37 (Debian package fonts-dejavu-core) without all that no letter needs.
# What stays are the Latin letters with their marks (among them all of DIN 91379), punctuation and the euro sign. Needs
# pyftsubset: `pip install fonttools==4.68.0`.
set -eu
cd "$(dirname "$0")"
for font in DejaVuSans DejaVuSansMono; do
    pyftsubset "/usr/share/fonts/truetype/dejavu/$font.ttf" --output-file="$font.ttf" \
        --unicodes=U+0020-007E,U+00A0-024F,U+0259,U+02B0-02DD,U+0300-036F,U+1E00-1EFF,U+2010-2027,U+2030-203A,U+20AC,U+2713 \
        --layout-features=ccmp,kern,locl,mark,mkmk --no-hinting --name-IDs=0,1,2,3,4,5,6 --notdef-outline
done
