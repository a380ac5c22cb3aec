# Node.js and npm are unpacked into /var/lang afterwards.
mkdir -p /var/lang/bin
ln -s ../lib/node_modules/npm/bin/npm-cli.js /var/lang/bin/npm
ln -s ../lib/node_modules/npm/bin/npx-cli.js /var/lang/bin/npx
