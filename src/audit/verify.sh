#!/bin/sh
# Checks this package with openssl and xmlsec1 alone, as README.md explains it. Usage: sh verify.sh [TRUSTED.pem]
# TRUSTED.pem: the authority's certificate as you know it; without, the one in this package, which proves less.
# Nothing is believed but what a signature that was checked is over, and each is by the one whose role it is.
set -eu
LC_ALL=C
export LC_ALL
trusted=${1:-certificates/authority.pem}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tab=$(printf '\t')

fail() { echo "FAILED: $1" >&2; exit 1; }
sha() { openssl dgst -sha256 -r | cut -c1-64; }
digest() { openssl dgst -sha256 -binary "$1" | openssl base64 -A; }
hexadecimal() { od -An -v -tx1 "$1" | tr -d ' \n'; }
fingerprint() { openssl x509 -in "$work/$1.pem" -outform DER | sha; }
subject() { openssl x509 -in "$work/$1.pem" -noout -subject -nameopt multiline,utf8,-esc_msb; }
common_name() { subject "$1" | sed -n 's/^ *commonName *= //p'; }
# The one text at path $1 of the canonical form that was read into $2.
text() { awk -F "$tab" -v path="$1" '$1 == path { print $2; n++ } END { exit n != 1 }' "$2"; }

# Reads a canonical form: a line for each element that begins (PATH@), for its Id and URI, and for its text, with local names.
# In this form `<` begins a tag and nothing else, and attributes are in double quotes.
elements() {
    awk 'BEGIN { RS = "<" }
        function plain(text) {
            gsub(/[ \t\r\n]+/, " ", text); sub(/^ /, "", text); sub(/ $/, "", text)
            gsub(/&lt;/, "<", text); gsub(/&gt;/, ">", text); gsub(/&quot;/, "\"", text); gsub(/&amp;/, "\\&", text)
            return text
        }
        NR == 1 { if ($0 != "") exit 1; next }
        /^\// { sub(/\/?[^\/]*$/, "", path); next }
        !/^[A-Za-z_]/ || !match($0, /^[^">]*("[^"]*"[^">]*)*>/) { exit 1 }
        {
            tag = substr($0, 1, RLENGTH - 1); rest = substr($0, RLENGTH + 1)
            name = tag; sub(/[ \t\r\n].*/, "", name)
            tag = substr(tag, length(name) + 1); sub(/.*:/, "", name)
            path = path (path == "" ? "" : "/") name
            print path "@\t"
            while (match(tag, /[^ \t\r\n="]+="[^"]*"/)) {
                attribute = substr(tag, RSTART, RLENGTH); tag = substr(tag, RSTART + RLENGTH)
                value = attribute; sub(/^[^"]*"/, "", value); sub(/"$/, "", value)
                sub(/=.*/, "", attribute); sub(/.*:/, "", attribute)
                if (attribute == "Id" || attribute == "URI") print path "@" attribute "\t" plain(value)
            }
            if (plain(rest) != "") print path "\t" plain(rest)
        }' "$1" || fail "$1 is not in canonical form"
}

# The ds:Reference elements at path $1 of what was read into $2: a line with URI and digest for each.
references() {
    awk -F "$tab" -v path="$1" '
        $1 == path "@" { uri = "-" }
        $1 == path "@URI" { uri = $2 }
        $1 == path "/DigestValue" { gsub(/ /, "", $2); print uri, $2 }' "$2"
}

# The log's events about the message, of stage $1: a line for each. In JSON no text holds a quotation mark as it is.
events() {
    sed 's/{"at":"/\
&/g' log/*.json | grep "^{\"at\":\"[^\"]*\",\"message\":\"$message\",\"stage\":\"$1\"," || true
}

# Whether the log has an event of stage $1 in which the fact $2 is $3.
logged() { events "$1" | grep -qF "\"$2\":\"$3\""; }

# The certificate of who signed $1 leads to the authority.
check_certificate() {
    [ -e "certificates/$1.pem" ] || fail "certificates/$1.pem is not there"
    openssl x509 -in "certificates/$1.pem" -out "$work/$1.pem" 2>/dev/null || fail "certificates/$1.pem is no certificate"
    openssl verify -no_check_time -partial_chain -trusted "$trusted" "$work/$1.pem" >/dev/null 2>&1 ||
        fail "certificates/$1.pem does not lead to $trusted"
    openssl x509 -in "$work/$1.pem" -pubkey -noout >"$work/$1.key"
}

# $2, which $1 signed, is as it was signed: $3 is the signature.
check_signature() {
    openssl dgst -sha256 -verify "$work/$1.key" -signature "$3" "$2" >/dev/null 2>&1 ||
        fail "the signature of $2 is not by certificates/$1.pem"
}

# The access point has signed the anchor, and is the one that the anchor names.
check_anchor() {
    check_certificate anchor
    check_signature anchor anchor.txt anchor.sig
    [ "$(sed -n 1p anchor.txt)" = "sluss anchor 1" ] || fail "anchor.txt is no anchor"
    owner=$(sed -n 's/^party //p' anchor.txt)
    record=$(sed -n 's/^record //p' anchor.txt)
    [ "$(common_name anchor)" = "$owner" ] || fail "the anchor of $owner is signed by $(common_name anchor)"
}

# Each log line is in the chain, and the chain leads to the anchor.
check_chain() {
    ! grep -qvE '^[0-9]{12} [0-9a-f]{64} [0-9a-f]{64}$' chain.txt || fail "chain.txt has a line that is none"
    chain=$(cat chain-before.txt) shown=0 before=
    while read -r name log state; do
        number=${name#"${name%%[!0]*}"}
        [ -z "$before" ] || [ "$number" = $((before + 1)) ] || fail "chain.txt leaves out what follows record $before"
        if [ -e "log/$name.json" ]; then
            [ "$(sha <"log/$name.json")" = "$log" ] || fail "log/$name.json is not what the chain says"
            shown=$((shown + 1))
        fi
        chain=$(printf '%s%s%s' "$chain" "$log" "$state" | sha) before=$number
    done <chain.txt
    [ "$chain" = "$(sed -n 's/^chain //p' anchor.txt)" ] || fail "the chain does not lead to the anchor"
    [ "$before" = "$record" ] || fail "the chain ends at another record"
    [ "$shown" -gt 0 ] && [ "$shown" -eq "$(ls log | wc -l)" ] || fail "log lines that are not in the chain"
}

# Each log line has an event about the one message that this is about.
check_subject() {
    message=$(sed -n 's/^  "message": "\([0-9a-f-]*\)",*$/\1/p' summary.json)
    [ "${#message}" = 36 ] || fail "summary.json names no message"
    for line in log/*.json; do
        grep -qF "\"message\":\"$message\"" "$line" || fail "$line says nothing of message $message"
    done
}

# The AS4 message or receipt in folder $1 is signed; its references are taken from what was signed, and each is held against its
# part. What is signed of its header is read into $work/$1.header.
check_signed() {
    check_certificate "$1"
    check_signature "$1" "$1/signed-info.xml" "$1/signature.bin"
    elements "$1/signed-info.xml" >"$work/$1.info"
    references SignedInfo/Reference "$work/$1.info" >"$work/$1.references"
    position=0 parts=0
    while read -r uri digest; do
        position=$((position + 1))
        part=$1/part-$position.xml
        case $uri in
        cid:*) [ ! -e "$part" ] || fail "$part is there, and what was signed at its place is the attachment $uri" ;;
        "#"*)
            check_part "$1" "$part" "${uri#?}" "$digest"
            parts=$((parts + 1))
            ;;
        *) fail "$1/signed-info.xml refers to $uri" ;;
        esac
    done <"$work/$1.references"
    [ "$parts" -eq "$(ls "$1" | grep -c '^part')" ] || fail "$1 has a part that was not signed"
    [ -e "$work/$1.header" ] || fail "$1 has no signed eb:Messaging"
}

# Part $2 of $1 has the digest $4 that was signed for the element with id $3.
check_part() {
    [ -e "$2" ] || fail "$2 is not there, and was signed"
    [ "$(digest "$2")" = "$4" ] || fail "$2 is not what was signed"
    elements "$2" >"$work/part"
    root=$(sed -n '1s/@.*//p' "$work/part")
    [ "$(text "$root@Id" "$work/part")" = "$3" ] || fail "$2 is not the element #$3"
    if [ "$root" = Messaging ]; then
        [ ! -e "$work/$1.header" ] || fail "$1 has two signed eb:Messaging"
        mv "$work/part" "$work/$1.header"
    fi
}

# The AS4 message is signed by the access point that its header names as its sender.
check_message() {
    check_signed message
    user=Messaging/UserMessage
    id=$(text $user/MessageInfo/MessageId "$work/message.header") || fail "the signed header has not one message id"
    sent=$(text $user/MessageInfo/Timestamp "$work/message.header") || fail "the signed header has not one time"
    from=$(text $user/PartyInfo/From/PartyId "$work/message.header") || fail "the signed header has not one sender"
    to=$(text $user/PartyInfo/To/PartyId "$work/message.header") || fail "the signed header has not one receiver"
    [ "$(common_name message)" = "$from" ] || fail "the AS4 message of $from is signed by $(common_name message)"
}

# The log's event of stage $1 has the signature of $2, and the certificate.
check_signature_in_log() {
    logged "$1" certificate_sha256 "$(fingerprint "$2")" || fail "the log names another certificate than certificates/$2.pem"
    logged "$1" signature "$(hexadecimal "$2/signature.bin")" || fail "the log has another signature than $2/signature.bin"
}

# The log is that of the message's sender or receiver, and says of this very message that it was packed or received.
check_message_in_log() {
    if [ -n "$(events packed)" ]; then
        logged packed as4_message_id "$id" || fail "the log is about another AS4 message than $id"
        [ "$owner" = "$from" ] || fail "the log of $owner says that it sent what $from signed"
        return
    fi
    logged received as4_message_id "$id" || fail "the log is about another AS4 message than $id"
    [ "$owner" = "$to" ] || fail "the log of $owner says that it received what is for $to"
    check_signature_in_log received message
}

# The AS4 receipt is signed by the receiver, and is for this message: it repeats each digest that was signed, and no other.
check_receipt() {
    check_signed receipt
    signal=Messaging/SignalMessage
    given=$(text $signal/MessageInfo/Timestamp "$work/receipt.header") || fail "the AS4 receipt has not one time"
    of=$(text $signal/MessageInfo/RefToMessageId "$work/receipt.header") || fail "the AS4 receipt is not for one message"
    [ "$of" = "$id" ] || fail "the AS4 receipt is for message $of, not for $id"
    [ "$(common_name receipt)" = "$to" ] || fail "the AS4 receipt for a message to $to is signed by $(common_name receipt)"
    references $signal/Receipt/NonRepudiationInformation/MessagePartNRInformation/Reference "$work/receipt.header" |
        sort >"$work/repeated"
    sort "$work/message.references" | cmp -s - "$work/repeated" ||
        fail "the AS4 receipt does not repeat the digests that were signed"
}

# Where the log is the sender's, it says of this very receipt that it came.
check_receipt_in_log() {
    [ -n "$(events packed)" ] || return 0
    logged receipted as4_message_id "$id" || fail "the log does not say that an AS4 receipt came"
    check_signature_in_log receipted receipt
}

# xmlsec1, which takes the XML as it came, finds the same signature in it. It knows no wsse:SecurityTokenReference, so ds:KeyInfo,
# which is not signed, gives way to the name of the key; and the signature to the one that was checked above.
check_receipt_as_it_came() {
    ! grep -q '<!DOCTYPE' receipt/soap.xml || fail "receipt/soap.xml has a document type"
    value=$(openssl base64 -A <receipt/signature.bin)
    tr '\n' '\001' <receipt/soap.xml | sed \
        -e 's/<\([^<>/ ]*:\)\{0,1\}KeyInfo[^<>]*>.*KeyInfo>/<\1KeyInfo><\1KeyName>signer<\/\1KeyName><\/\1KeyInfo>/' \
        -e "s|\(<[^<>/ ]*SignatureValue[^<>]*>\)[^<]*<|\1$value<|g" | tr '\001' '\n' >"$work/receipt.xml"
    xmlsec1 --verify --id-attr:Id Messaging --id-attr:Id Body --pubkey-cert-pem:signer "$work/receipt.pem" "$work/receipt.xml" \
        >/dev/null 2>&1 || fail "xmlsec1 does not find the signature of the AS4 receipt in receipt/soap.xml"
}

check_anchor
check_chain
check_subject
echo "log: $shown records about message $message hold up to the anchor of record $record, signed by $owner"
if [ ! -e message ]; then
    [ -z "$(events packed)$(events received)" ] || fail "the log says that there was an AS4 message, and it is not here"
    [ ! -e receipt ] || fail "there is an AS4 receipt, and no AS4 message to hold it against"
    echo "holds, WITHOUT an AS4 message"
    exit
fi
check_message
check_message_in_log
echo "message: $id at $sent from $from to $to, signed by $from with certificate $(fingerprint message)"
if [ ! -e receipt ]; then
    [ -z "$(events receipted)$(events received)" ] || fail "the log says that there was an AS4 receipt, and it is not here"
    echo "holds, WITHOUT an AS4 receipt"
    exit
fi
check_receipt
check_receipt_in_log
check_receipt_as_it_came
echo "receipt: for $of at $given, signed by $to with certificate $(fingerprint receipt)"
echo "all of it holds"
