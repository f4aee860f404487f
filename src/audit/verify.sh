#!/bin/sh
# Checks this package with openssl and xmlsec1 alone, as README.md explains it. Usage: sh verify.sh [TRUSTED.pem]
# TRUSTED.pem: the authority's certificate as you know it; without, the one in this package, which proves less.
set -eu
trusted=${1:-certificates/authority.pem}
sha() { openssl dgst -sha256 -r | cut -c1-64; }
fail() { echo "FAILED: $1" >&2; exit 1; }
public() { openssl x509 -in "$1" -pubkey -noout; }

# 1. Certificates lead to the authority.
for certificate in certificates/anchor.pem certificates/message.pem certificates/receipt.pem; do
    [ ! -e "$certificate" ] ||
        openssl verify -no_check_time -partial_chain -trusted "$trusted" "$certificate" >/dev/null ||
        fail "$certificate does not lead to $trusted"
done

# 2. The anchor is signed by the access point.
public certificates/anchor.pem >anchor.key
openssl dgst -sha256 -verify anchor.key -signature anchor.sig anchor.txt >/dev/null || fail "the anchor's signature"
rm anchor.key
record=$(sed -n 's/^record //p' anchor.txt)
anchored=$(sed -n 's/^chain //p' anchor.txt)

# 3. Each log line is in the chain, and the chain leads to the anchor.
chain=$(cat chain-before.txt)
shown=0
while read -r number log state; do
    if [ -e "log/$number.json" ]; then
        [ "$(sha <"log/$number.json")" = "$log" ] || fail "log/$number.json is not what the chain says"
        shown=$((shown + 1))
    fi
    chain=$(printf '%s%s%s' "$chain" "$log" "$state" | sha)
done <chain.txt
[ "$chain" = "$anchored" ] || fail "the chain does not lead to the anchor"
[ "$(sed -n '$s/ .*//p' chain.txt | sed 's/^0*//')" = "$record" ] || fail "the chain ends at another record"
[ "$shown" -gt 0 ] && [ "$shown" = "$(ls log | wc -l)" ] || fail "log lines that are not in the chain"
echo "log: $shown records hold up to the anchor of record $record"

# 4. The AS4 message: its signature, and each digest that was signed.
if [ -e message/signed-info.xml ]; then
    public certificates/message.pem >message.key
    openssl dgst -sha256 -verify message.key -signature message/signature.bin message/signed-info.xml >/dev/null ||
        fail "the message's signature"
    rm message.key
    while read -r digest file uri; do
        grep -qF ">$digest<" message/signed-info.xml || fail "$uri: its digest was not signed"
        [ "$file" = - ] || [ "$(openssl dgst -sha256 -binary "message/$file" | openssl base64 -A)" = "$digest" ] ||
            fail "message/$file is not what was signed"
    done <message/references.txt
    echo "message: its signature and digests hold"
fi

# 5. The AS4 receipt: its signature, and that it repeats the digests of the message.
if [ -e receipt.xml ]; then
    # xmlsec1 knows no wsse:SecurityTokenReference. ds:KeyInfo is not signed, so it is left out and the key given.
    tr '\n' '\001' <receipt.xml |
        sed 's/<\([A-Za-z0-9]*:\)\{0,1\}KeyInfo[ >].*KeyInfo>//' | tr '\001' '\n' >receipt.tmp
    xmlsec1 --verify --id-attr:Id Messaging --id-attr:Id Body \
        --pubkey-cert-pem certificates/receipt.pem receipt.tmp >/dev/null 2>&1 || fail "the AS4 receipt's signature"
    rm receipt.tmp
    while read -r digest file uri; do
        grep -qF ">$digest<" receipt.xml || fail "the AS4 receipt does not repeat the digest of $uri"
    done <message/references.txt
    echo "receipt: its signature holds, and it repeats what was signed"
fi
echo "all of it holds"
