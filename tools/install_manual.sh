#!/usr/bin/env bash
# Installs what a built `curricle` prints of itself: man pages, and completions where bash, zsh and fish look for them.
#   tools/install_manual.sh CURRICLE SHARE      such as /usr/local/bin/curricle /usr/local/share
set -euo pipefail
command=$1
share=$2
man=$share/man/man1 bash=$share/bash-completion/completions zsh=$share/zsh/site-functions fish=$share/fish/vendor_completions.d
install -d "$man" "$bash" "$zsh" "$fish"
"$command" help --man > "$man/curricle.1"
# The program's own page lists the commands' pages.
for page in $(sed -n 's/^\.BR curricle\\-\([a-z]*\) (1)$/\1/p' "$man/curricle.1"); do
    "$command" help --man "$page" > "$man/curricle-$page.1"
done
"$command" help --completions bash > "$bash/curricle"
"$command" help --completions zsh > "$zsh/_curricle"
"$command" help --completions fish > "$fish/curricle.fish"
