# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 400
. /xt/lib.sh

shared_guest
x list -l shared >"$guests/list" || fail "xl list -l failed"
grep -v '^---' "$guests/list" | jq . >/dev/null || fail "xl list -l is not JSON"
