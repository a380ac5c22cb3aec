# What all of Lambda's images have; an image's own script follows.
mkdir -p /var/task /var/runtime /opt /var/lang/bin

# Build steps must bypass the entry point, so this one only says that they did not.
cat >/lambda-entrypoint.sh <<'END'
#!/bin/sh
echo "lambda-entrypoint.sh: this stand-in image runs no functions; bypass the entry point" >&2
exit 1
END
chmod 755 /lambda-entrypoint.sh

# What Lambda's images are said to lack: no build step may lean on it.
rm -f /usr/bin/tar /usr/bin/find /usr/bin/xargs
